-- How full the streams are.
-- Returns {{waiting, in flight, ms since the oldest waiting entry came (-1: none)}, …} in the order of STREAMS.
local answer = {}
for index, stream in ipairs(STREAMS) do
  local count = waiting(stream)
  local oldest = count > 0 and oldest_waiting(stream) or -1
  if index == #STREAMS then count = count + (redis.call('GET', REST_COUNT) or 0) end
  answer[#answer + 1] = {count, in_flight(stream), oldest}
end
return answer
