-- Puts the newest former champion that may still serve back in place.
-- KEYS: champion, history, versions, rejected
-- ARGV: the version that failed ('' = an operator's choice, nothing is rejected), reason, now (ISO 8601), channel
-- Returns {'ok', pointer}, {'moved', pointer} where another process was first, or {'none'}: the champion then stays.
local current = redis.call('GET', KEYS[1])
if not current then return {'none'} end
local standing = cjson.decode(current).version
if ARGV[1] ~= '' and standing ~= ARGV[1] then
  redis.call('HSET', KEYS[4], ARGV[1], ARGV[2])
  return {'moved', current}
end
while true do
  local former = redis.call('LPOP', KEYS[2])
  if not former then return {'none'} end
  local pointer = cjson.decode(former)
  local version = pointer.version
  if version ~= standing and redis.call('HEXISTS', KEYS[3], version) == 1
      and redis.call('HEXISTS', KEYS[4], version) == 0 then
    pointer.promoted_at = ARGV[3]
    pointer.reason = ARGV[2]
    pointer.previous = standing
    if ARGV[1] ~= '' then redis.call('HSET', KEYS[4], ARGV[1], ARGV[2]) end
    local swung = cjson.encode(pointer)
    redis.call('SET', KEYS[1], swung)
    redis.call('PUBLISH', ARGV[4], version)
    return {'ok', swung}
  end
end
