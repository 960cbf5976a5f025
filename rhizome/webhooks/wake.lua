-- Rings for what is due: a bell may have been lost, and nobody rings for a delivery whose time comes.
-- ARGV: now (ms)
if is_anything_due(ARGV[1]) then ring_deliverer() end
