-- Adds the chunks of a job whose first chunk found out what they are. Once: the first plan stands.
-- ARGV: job id, rows of all chunks, then the entries. Returns how many there are.
local id, job = ARGV[1], JOB .. ARGV[1]
local facts = redis.call('HMGET', job, 'state', 'chunk_entry', 'lane', 'expires_at', 'entry')
if facts[1] ~= 'queued' or facts[2] then return 0 end
local first = place(id, LANE .. facts[3], 3, #ARGV, facts[4])
-- The entry that stood for all of them is in the stream, too.
if redis.call('EXISTS', OPEN .. id) == 1 then redis.call('SADD', OPEN .. id, facts[5]) end
redis.call('HSET', job, 'chunk_entry', first, 'chunks', 1 + #ARGV - 2, 'rows', ARGV[2])
ring(BATCH)
return #ARGV - 2
