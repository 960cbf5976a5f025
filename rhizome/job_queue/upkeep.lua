-- Heals what a crash may leave: a lost bell, an expired lease nobody looks at, a lane nobody listens to, ghosts of scorers.
-- ARGV: lease (ms), idle time after which an empty-handed consumer is forgotten (ms), age at which a waiting entry is
--       forgotten work (ms): until then the scorer at work takes it
-- Returns {bells rung, consumers forgotten}.
-- While no worker lives, beat goes on sending: one message to come is enough.
redis.call('LTRIM', UPKEEP_QUEUE, 0, 0)
local rung, forgotten = 0, 0

local function heal(stream)
  in_flight(stream)  -- makes the group where there is none
  local is_needed = (waiting(stream) > 0 and oldest_waiting(stream) >= tonumber(ARGV[3]))
    or #redis.call('XPENDING', stream, GROUP, 'IDLE', ARGV[1], '-', '+', 1) > 0
  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', stream, GROUP)) do
    local facts = {}
    for at = 1, #consumer, 2 do facts[consumer[at]] = consumer[at + 1] end
    if facts.pending == 0 and facts.idle > tonumber(ARGV[2]) then
      redis.call('XGROUP', 'DELCONSUMER', stream, GROUP, facts.name)
      forgotten = forgotten + 1
    end
  end
  return is_needed
end

for lane = INTERACTIVE, BATCH do
  redis.call('ZREMRANGEBYSCORE', LISTENING[lane], '-inf', '(' .. now_ms())
  local is_needed = redis.call('ZCARD', LISTENING[lane]) == 0
  for index = FIRST[lane], LAST[lane] do is_needed = heal(STREAMS[index]) or is_needed end
  if is_needed then rung = rung + ring(lane) end
end
return {rung, forgotten}
