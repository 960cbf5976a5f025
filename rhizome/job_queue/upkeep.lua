-- Heals what a crash may leave: a lost bell, an expired lease nobody looks at, ghosts of scorers.
-- ARGV: lease (ms), idle time after which an empty-handed consumer is forgotten (ms)
-- Returns {rang, consumers forgotten}.
-- While no worker lives, beat goes on sending: one message to come is enough.
redis.call('LTRIM', UPKEEP_QUEUE, 0, 0)
redis.call('ZREMRANGEBYSCORE', LISTENING, '-inf', '(' .. now_ms())
local needed, forgotten = false, 0
for _, stream in ipairs(STREAMS) do
  if redis.call('XLEN', stream) > in_flight(stream) then needed = true end
  if #redis.call('XPENDING', stream, GROUP, 'IDLE', ARGV[1], '-', '+', 1) > 0 then needed = true end
  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', stream, GROUP)) do
    local facts = {}
    for at = 1, #consumer, 2 do facts[consumer[at]] = consumer[at + 1] end
    if facts.pending == 0 and facts.idle > tonumber(ARGV[2]) then
      redis.call('XGROUP', 'DELCONSUMER', stream, GROUP, facts.name)
      forgotten = forgotten + 1
    end
  end
end
local rang = 0
if needed then rang = ring() end
return {rang, forgotten}
