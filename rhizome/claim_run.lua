-- Takes the place of the current run for a process that carries it out itself, unless one is queued or runs.
-- KEYS: training hash, pending, Celery queue
-- ARGV: new run id, reason, now (ISO 8601), lease (s), TTL of a queued run (s)
-- Returns {id of the run that stands, 1 if it is the caller's}.
local standing = find_standing(ARGV[3], ARGV[5])
if standing then return {standing, 0} end
queue(ARGV[1], ARGV[2], ARGV[3], ARGV[4])
return {ARGV[1], 1}
