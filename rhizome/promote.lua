-- Swings the champion pointer, if it still is where the caller saw it.
-- KEYS: champion, history, versions, rejected
-- ARGV: version, new pointer (JSON), '1' to check the expected champion, expected version ('' = none), channel, history length,
--       '1' to lift a rejection
-- Returns 'ok', 'unknown', 'rejected' or 'moved'.
local version = ARGV[1]
if redis.call('HEXISTS', KEYS[3], version) == 0 then return 'unknown' end
if ARGV[7] ~= '1' and redis.call('HEXISTS', KEYS[4], version) == 1 then return 'rejected' end
local current = redis.call('GET', KEYS[1])
local standing = current and cjson.decode(current).version or ''
if ARGV[3] == '1' and standing ~= ARGV[4] then return 'moved' end
redis.call('HDEL', KEYS[4], version)  -- where it stands, it is to be lifted
if current and standing ~= version then
  redis.call('LPUSH', KEYS[2], current)
  redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[6]) - 1)
end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('PUBLISH', ARGV[5], version)
return 'ok'
