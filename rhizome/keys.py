"""The names of every Redis key and channel, in one place so that no two modules spell one differently."""

PREFIX = "rhizome:"

OWNER = f"{PREFIX}owner"  #: string: the model name that this database serves, and no other
BELL = f"{PREFIX}bell"  #: string with a TTL: a wake-up is on its way to a scorer of the interactive lane
BATCH_BELL = f"{PREFIX}bell:batch"  #: the same, of the batch lane
LISTENING = f"{PREFIX}listening"  #: sorted set: scorer -> until when (ms) it listens on the interactive lane's streams
BATCH_LISTENING = f"{PREFIX}listening:batch"  #: the same, of the batch lane
REST_COUNT = f"{PREFIX}rest"  #: number: chunks of all batch jobs that are kept back
UPKEEP = f"{PREFIX}upkeep"  #: string with a TTL: a worker process healed the queue lately
DEAD_LETTERS = f"{PREFIX}dead"  #: stream: jobs and chunks given up after too many deliveries, or quarantined
FINISHED = f"{PREFIX}finished"  #: channel: one message per finished micro-batch
EXPORT = f"{PREFIX}export:"  #: begins the names of `export`
CHAMPION_MOVED = f"{PREFIX}champion-moved"  #: channel: the champion pointer was swung
ID_SECRET = f"{PREFIX}id-secret"  #: string: keys the check digits of job ids
BLOB_SWEEP = f"{PREFIX}blob-sweep"  #: string with a TTL: the store of files was swept lately
PROCESSES = f"{PREFIX}processes"  #: hash: process -> its last heartbeat
TRAINING = f"{PREFIX}training"  #: hash: what the trainer is doing and did last
TRAINING_PENDING = f"{PREFIX}training:pending"  #: string with a TTL: a training run is queued or runs
WEBHOOKS_BELL = f"{PREFIX}webhooks:bell"  #: string with a TTL: a wake-up is on its way to the deliverer
WEBHOOKS_PENDING = f"{PREFIX}webhooks:pending"  #: sorted set: delivery that is not settled -> since when (ms)

SCORING_QUEUE = "rhizome-scoring"  #: Celery queue: bells of the interactive lane
BATCH_QUEUE = "rhizome-batch"  #: Celery queue: bells of the batch lane
UPKEEP_QUEUE = "rhizome-upkeep"  #: Celery queue: tidying the store of files
EXPORT_QUEUE = "rhizome-export"  #: Celery queue: files of rows, made on demand
WEBHOOKS_QUEUE = "rhizome-webhooks"  #: Celery queue: bells of the deliverer
TRAINING_QUEUE = "rhizome-training"  #: Celery queue: training, promotion, rollback

GROUP = "scorers"  #: the consumer group of all streams


def lane(name: str) -> str:
    """The stream of a lane, or of one priority within it."""
    return f"{PREFIX}lane:{name}"


def job(job_id: str) -> str:
    """The hash that is a job's record."""
    return f"{PREFIX}job:{job_id}"


def rows(job_id: str) -> str:
    """The hash of a batch job's finished chunks: index -> JSON array of predictions; of a file, its parts' records."""
    return f"{PREFIX}rows:{job_id}"


def rest(job_id: str) -> str:
    """List: a batch job's chunks that are not in the lane's stream yet, in order."""
    return f"{PREFIX}rest:{job_id}"


def refused(entry: str) -> str:
    """String with a TTL: since when (ms) scorers have refused this entry of a job, which others may score."""
    return f"{PREFIX}refused:{entry}"


def strikes(entry: str) -> str:
    """List with a TTL: the processes that ended while they scored this entry of a job alone, as JSON."""
    return f"{PREFIX}strikes:{entry}"


def open_entries(job_id: str) -> str:
    """Set: the ids of a batch job's entries in the lane's stream, where it has, or had, chunks that are kept back."""
    return f"{PREFIX}open:{job_id}"


def idempotency(digest: str) -> str:
    """The job that stands for an Idempotency-Key, and the fingerprint of its request."""
    return f"{PREFIX}idempotency:{digest}"


def export(job_id: str, file_format: str) -> str:
    """Stands while a file of a job's rows is being made in that form."""
    return f"{EXPORT}{job_id}:{file_format}"


def webhook(delivery_id: str) -> str:
    """The hash that is a delivery: one event of one job, for one receiver."""
    return f"{PREFIX}webhook:{delivery_id}"


def webhooks_of(job_id: str) -> str:
    """List: the ids of a job's deliveries, in the order of their events."""
    return f"{PREFIX}webhooks:of:{job_id}"


def webhooks_log(job_id: str) -> str:
    """List: the last attempts of a job's deliveries, as JSON."""
    return f"{PREFIX}webhooks:log:{job_id}"


def webhooks_due(standing: str) -> str:
    """Sorted set: receiver of this standing -> when (ms) it has something to be sent."""
    return f"{PREFIX}webhooks:due:{standing}"


def webhooks_standing(receiver: str) -> str:
    """String with a TTL: how long the last attempt at this receiver took, in one word."""
    return f"{PREFIX}webhooks:standing:{receiver}"


def webhooks_waiting(receiver: str) -> str:
    """Sorted set: delivery to this receiver that is not settled -> when (ms) it may be taken."""
    return f"{PREFIX}webhooks:waiting:{receiver}"


def webhooks_busy(receiver: str) -> str:
    """Sorted set: delivery that is being sent to this receiver -> when (ms) its sender's lease ends."""
    return f"{PREFIX}webhooks:busy:{receiver}"


def champion(model_name: str) -> str:
    """The champion pointer."""
    return f"{PREFIX}model:{model_name}:champion"


def champion_history(model_name: str) -> str:
    """Former champion pointers, newest first."""
    return f"{PREFIX}model:{model_name}:history"


def versions(model_name: str) -> str:
    """Hash: version -> its manifest."""
    return f"{PREFIX}model:{model_name}:versions"


def rejected(model_name: str) -> str:
    """Hash: version -> why it must not be promoted."""
    return f"{PREFIX}model:{model_name}:rejected"


def votes(model_name: str, version: str) -> str:
    """Hash: worker process that cannot load this version -> why."""
    return f"{PREFIX}model:{model_name}:votes:{version}"


def latency(bucket: int) -> str:
    """Hash: latency bin -> finished jobs, for one bucket of time."""
    return f"{PREFIX}latency:{bucket}"


def retrain_slot(slot: str) -> str:
    """Claimed by the first of the duplicates of one scheduled retraining."""
    return f"{PREFIX}retrain:{slot}"
