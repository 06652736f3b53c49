"""A stand-in for Ray that runs its tasks in this process, one whenever somebody waits, and loses some if told so."""

from types import SimpleNamespace


class RayError(Exception):
    pass


class OutOfMemoryError(RayError):
    pass


class LocalRay:
    """As much of Ray as the executor uses.

    Attributes:
        processors: of its one node.
        losses: what becomes of the tasks in the order in which they are done, an error for one that is lost.
        connected: whether this process is part of a cluster from the start.
        most: how many tasks were under way at once.
        asked: how many processors each task was to have.
        cancelled: tasks that were given up.
        ended: whether the cluster was shut down.
    """

    exceptions = SimpleNamespace(RayError=RayError, OutOfMemoryError=OutOfMemoryError)

    def __init__(self, processors=2, *, losses=(), connected=False):
        self.processors, self.losses, self.connected = processors, list(losses), connected
        self.waiting, self.cancelled, self.asked = [], [], []
        self.most, self.looks, self.ended = 0, 0, False

    def is_initialized(self):
        return self.connected

    def init(self, address, **_):
        self.connected = True

    def shutdown(self):
        self.ended, self.connected = True, False

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": float(self.processors)}}]

    def cluster_resources(self):
        return {"CPU": float(self.processors)}

    def put(self, value):
        return Reference(lambda: value)

    def remote(self, **options):
        assert options["max_retries"] == 0  # the sweep decides what is tried again
        return lambda function: Task(self, function)

    def wait(self, references, timeout):
        assert timeout > 0 and references
        self.looks += 1
        return ([], references) if self.looks == 1 else (references[:1], references[1:])

    def get(self, reference):
        if reference in self.waiting:
            self.waiting.remove(reference)
            if self.losses and (error := self.losses.pop(0)) is not None:
                raise error
        return reference.work()

    def cancel(self, reference, *, force):
        assert force
        self.cancelled.append(reference)


class Reference:
    def __init__(self, work):
        self.work = work


class Task:
    def __init__(self, ray, function):
        self.ray, self.function = ray, function

    def options(self, *, num_cpus):
        self.ray.asked.append(num_cpus)
        return self

    def remote(self, *arguments):
        reference = Reference(lambda: self.function(*arguments))
        self.ray.waiting.append(reference)
        self.ray.most = max(self.ray.most, len(self.ray.waiting))
        return reference
