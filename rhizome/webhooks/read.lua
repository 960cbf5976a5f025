-- A job's deliveries. ARGV: job id, '1' for the last one alone and without the log
-- Returns {lines of the log, {name, value, name, value, …} of each delivery in the order of the events}.
local answer = {}
for _, id in ipairs(redis.call('LRANGE', WEBHOOKS_OF .. ARGV[1], ARGV[2] == '1' and -1 or 0, -1)) do
  local facts = redis.call('HGETALL', WEBHOOK .. id)
  if #facts > 0 then answer[#answer + 1] = facts end
end
return {ARGV[2] == '1' and {} or redis.call('LRANGE', WEBHOOKS_LOG .. ARGV[1], 0, -1), answer}
