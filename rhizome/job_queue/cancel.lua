-- Cancels a job that is not final; a batch stops at its next chunk.
-- ARGV: job id, result TTL (s), now (ms). Returns the state that the job had, or nil for an unknown one.
return end_early(ARGV[1], 'cancelled', ARGV[3], ARGV[2])
