-- How full the streams are.
-- Returns {{waiting, in flight, ms since the oldest waiting entry came (-1: none)}, …} in the order of STREAMS.
local answer = {}
for index, stream in ipairs(STREAMS) do
  local count, oldest = waiting(stream), -1
  if count > 0 then
    local first = redis.call('XRANGE', stream, '(' .. last_delivered(stream), '+', 'COUNT', 1)
    if #first > 0 then oldest = math.max(0, now_ms() - tonumber(string.match(first[1][1], '^%d+'))) end
  end
  if index == #STREAMS then count = count + (redis.call('GET', REST_COUNT) or 0) end
  answer[#answer + 1] = {count, in_flight(stream), oldest}
end
return answer
