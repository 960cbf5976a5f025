-- Heals what a crash may leave: a lost bell, an expired lease nobody looks at, ghosts of scorers.
-- KEYS: interactive stream, batch stream, bell, listening, Celery queue, Celery queue of the upkeep itself
-- ARGV: group, lease (ms), bell message, bell TTL (s), idle time after which an empty-handed consumer is forgotten (ms)
-- Returns {rang, consumers forgotten}.
-- While no worker lives, beat goes on sending: one message to come is enough.
redis.call('LTRIM', KEYS[6], 0, 0)
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', '(' .. now_ms())
local needed, forgotten = false, 0
for index = 1, 2 do
  local stream = KEYS[index]
  if waiting(stream, ARGV[1]) > 0 then needed = true end
  if #redis.call('XPENDING', stream, ARGV[1], 'IDLE', ARGV[2], '-', '+', 1) > 0 then needed = true end
  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', stream, ARGV[1])) do
    local facts = {}
    for at = 1, #consumer, 2 do facts[consumer[at]] = consumer[at + 1] end
    if facts.pending == 0 and facts.idle > tonumber(ARGV[5]) then
      redis.call('XGROUP', 'DELCONSUMER', stream, ARGV[1], facts.name)
      forgotten = forgotten + 1
    end
  end
end
local rang = 0
if needed then rang = ring(KEYS[3], KEYS[5], ARGV[3], ARGV[4]) end
return {rang, forgotten}
