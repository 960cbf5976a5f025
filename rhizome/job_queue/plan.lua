-- Adds the chunks of a job whose first chunk found out what they are. Once: the first plan stands.
-- ARGV: job id, rows of all chunks, then the entries. Returns how many were added.
local id, job = ARGV[1], JOB .. ARGV[1]
local facts = redis.call('HMGET', job, 'state', 'chunk_entry', 'lane', 'expires_at')
if facts[1] ~= 'queued' or facts[2] then return 0 end
local first
for at = 3, #ARGV do
  local entry = add(LANE .. facts[3], ARGV[at], facts[4], id)
  first = first or entry
end
redis.call('HSET', job, 'chunk_entry', first, 'chunks', 1 + #ARGV - 2, 'rows', ARGV[2])
ring()
return #ARGV - 2
