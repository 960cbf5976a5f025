"""Ray Serve: a task consumer with the plain stack's pipeline, and an ingress that enqueues tasks and looks at them.

Run with RAY_PEER_MODEL, RAY_PEER_PORT, RAY_PEER_REDIS_URL and RAY_PEER_FOLDER.
"""

import os
import signal
import threading
from typing import Any

import joblib
import ray
from ray import serve
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import CeleryAdapterConfig, TaskProcessorConfig
from ray.serve.task_consumer import instantiate_adapter_from_config, task_consumer, task_handler
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
STATUS = {"PENDING": "queued", "STARTED": "running", "RETRY": "running", "SUCCESS": "succeeded"}
REDIS_URL = os.environ["RAY_PEER_REDIS_URL"]
CONSUMERS = int(os.environ.get("RAY_PEER_CONSUMERS", "1"))
CONSUMER_THREADS = int(os.environ.get("RAY_PEER_CONSUMER_THREADS", "4"))
INGRESSES = int(os.environ.get("RAY_PEER_INGRESSES", "1"))
IN_THREADS = os.environ.get("RAY_PEER_IN_THREADS", "1") == "1"
CONFIG = TaskProcessorConfig(
    queue_name="iris",
    adapter_config=CeleryAdapterConfig(
        broker_url=REDIS_URL,
        backend_url=REDIS_URL,
        app_custom_config={
            "worker_prefetch_multiplier": int(os.environ.get("RAY_PEER_PREFETCH", "16")),
            "worker_send_task_events": False,
            "broker_connection_retry_on_startup": True,
            "broker_pool_limit": 64,
        },
        broker_transport_options={"priority_steps": [0]},
    ),
)


@serve.deployment(num_replicas=CONSUMERS, max_ongoing_requests=CONSUMER_THREADS, ray_actor_options={"num_cpus": 0})
@task_consumer(task_processor_config=CONFIG)
class Consumer:
    def __init__(self) -> None:
        self.pipeline = joblib.load(os.environ["RAY_PEER_MODEL"])
        self.labels = self.pipeline.classes_.tolist()

    @task_handler(name="predict")
    def predict(self, row: list[float]) -> dict[str, Any]:
        probabilities = self.pipeline.predict_proba([row])[0].tolist()
        return {
            "label": self.labels[probabilities.index(max(probabilities))],
            "probabilities": dict(zip(self.labels, probabilities, strict=True)),
        }


@serve.deployment(num_replicas=INGRESSES, max_ongoing_requests=512, ray_actor_options={"num_cpus": 0})
class Ingress:
    def __init__(self, consumer: DeploymentHandle) -> None:
        self.consumer = consumer
        self.adapter = instantiate_adapter_from_config(CONFIG)

    async def __call__(self, request: Request) -> Response:
        if request.method == "POST":
            body = await request.json()
            row = [float(body[name]) for name in FEATURES]
            task = await self._call(self.adapter.enqueue_task_sync, "predict", [row])
            return JSONResponse({"id": task.id, "status": "queued"}, 202)
        task = await self._call(self.adapter.get_task_status_sync, request.url.path.rpartition("/")[2])
        status = STATUS.get(task.status, "failed")
        if status == "succeeded" and task.result is None:
            status = "running"  # Ray reads the result before the status: the task ended in between
        return JSONResponse({"id": task.id, "status": status, "result": task.result if status == "succeeded" else None})

    async def _call(self, function: Any, *arguments: Any) -> Any:
        return await run_in_threadpool(function, *arguments) if IN_THREADS else function(*arguments)


def main() -> None:
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    ray.init(
        num_cpus=4,
        include_dashboard=False,
        object_store_memory=100_000_000,
        log_to_driver=False,
        _node_ip_address="127.0.0.1",
        _temp_dir=os.environ["RAY_PEER_FOLDER"],
    )
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["RAY_PEER_PORT"])})
    serve.run(Ingress.bind(Consumer.bind()), name="iris", route_prefix="/")
    for number in (signal.SIGTERM, signal.SIGINT):  # Ray has put its own in their place
        signal.signal(number, lambda *_: stopped.set())
    stopped.wait()
    ray.shutdown()


if __name__ == "__main__":
    main()
