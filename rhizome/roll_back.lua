-- Puts the newest former champion that may still serve back in place.
-- KEYS: champion, history, versions, rejected, votes against the version, processes
-- ARGV: the version that failed ('' = an operator's choice, nothing is rejected), reason, now (ISO 8601), channel,
--       the worker process that votes against it ('' = nobody is asked), its host, for how long a heartbeat counts (s),
--       for how long votes are kept (s)
-- Returns {'ok', pointer}, {'moved', pointer} where another process was first, {'none'}: the champion then stays, or
-- {'outvoted', pointer} while not more than half of those who are asked, and of their hosts, are against it. Asked are the living
-- worker processes of the interactive lane, or the others where there are none: those of the batch lane may have had
-- nothing to score, and have less memory.

-- Whether enough of these processes, and of their hosts, are against it. `living` holds the host of each.
local function is_majority(living)
  local processes_all, processes_against, hosts_all, hosts_against, hosts = 0, 0, 0, 0, {}
  for process, host in pairs(living) do
    local is_against = redis.call('HEXISTS', KEYS[5], process)
    processes_all, processes_against = processes_all + 1, processes_against + is_against
    hosts[host] = math.max(hosts[host] or 0, is_against)
  end
  for _, is_against in pairs(hosts) do
    hosts_all, hosts_against = hosts_all + 1, hosts_against + is_against
  end
  return 2 * processes_against > processes_all and 2 * hosts_against > hosts_all
end

-- One process, and one host, whose disk, clock or libraries are at fault decides nothing for the others.
local function is_outvoted(voter, voters_host)
  redis.call('HSET', KEYS[5], voter, ARGV[2])
  redis.call('EXPIRE', KEYS[5], ARGV[8])
  local living, interactive, oldest = {[voter] = voters_host}, {}, tonumber(redis.call('TIME')[1]) - tonumber(ARGV[7])
  local processes = redis.call('HGETALL', KEYS[6])
  for at = 1, #processes, 2 do
    local beat = cjson.decode(processes[at + 1])
    -- `heard_at` is this server's time, which a heartbeat of an earlier release lacks.
    if beat.role == 'worker' and (beat.heard_at or beat.at) >= oldest then
      living[processes[at]] = beat.host
      if (beat.lane or 'interactive') == 'interactive' then interactive[processes[at]] = beat.host end
    end
  end
  return not is_majority(next(interactive) and interactive or living)
end

local current = redis.call('GET', KEYS[1])
if not current then return {'none'} end
local standing = cjson.decode(current).version
local is_kept = ARGV[5] ~= '' and is_outvoted(ARGV[5], ARGV[6])
if ARGV[1] ~= '' and standing ~= ARGV[1] then
  if not is_kept then redis.call('HSET', KEYS[4], ARGV[1], ARGV[2]) end
  return {'moved', current}
end
if is_kept then return {'outvoted', current} end

-- Nothing leaves the history before one is found: a version that is not registered now may be again.
for at, former in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
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
    redis.call('LTRIM', KEYS[2], at, -1)
    redis.call('PUBLISH', ARGV[4], version)
    return {'ok', swung}
  end
end
return {'none'}
