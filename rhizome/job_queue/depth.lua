-- How full the lanes are. KEYS: streams. ARGV: group
-- Returns {{waiting, in flight, ms since the oldest waiting entry came (-1: none)}, …} in the order of KEYS.
local answer = {}
for _, stream in ipairs(KEYS) do
  local count, oldest = waiting(stream, ARGV[1]), -1
  if count > 0 then
    local last = '0'
    for _, group in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
      local facts = {}
      for at = 1, #group, 2 do facts[group[at]] = group[at + 1] end
      if facts.name == ARGV[1] then last = facts['last-delivered-id'] end
    end
    local first = redis.call('XRANGE', stream, '(' .. last, '+', 'COUNT', 1)
    if #first > 0 then oldest = math.max(0, now_ms() - tonumber(string.match(first[1][1], '^%d+'))) end
  end
  answer[#answer + 1] = {count, in_flight(stream, ARGV[1]), oldest}
end
return answer
