"""A deployment of a user's own task with the simulated oracle, in one call."""

from collections.abc import Mapping
from pathlib import Path

from querist.acquisition.registry import GroupForm, strategy
from querist.core.loop import Deployment
from querist.core.oracle import SimulatedOracle
from querist.core.plan import Parts, Plan
from querist.core.pool import ColumnarPool
from querist.core.split import Split
from querist.core.task import Task


def simulate(
    folder: Path | str,
    task: Task,
    split: Split,
    name: str,
    plan: Plan,
    groups: GroupForm | None = None,
    about: Mapping[str, str] | None = None,
) -> Deployment:
    """A deployment that is ready to play; made again in another process it goes on where it was.

    Args:
        folder: where the run lives. It belongs to one script: a run of other data, or of another plan, is refused where
            that can be told, but nobody can tell whether a model, its training or its metric are others.
        task: the user's; its data must hold the answers.
        split: the roles of the sources.
        name: of the strategy, such as ``"entropy/global"``.
        plan: the numbers.
        groups: the candidate pools of a strategy in group form.
        about: what the ledger shall remember; on resuming ``recipe_hash`` and ``data_hash`` must agree.

    Raises:
        QueristError: the strategy does not exist, or the task lacks what it needs.
    """
    chosen = strategy(name, task, groups)
    each = len(task.pool.parts) if isinstance(task.pool, ColumnarPool) else 1
    parts = Parts(
        task.pool, split, task, chosen.policy, chosen.candidates, chosen.featuriser, SimulatedOracle(task), each
    )
    facts = {"strategy": name, "seed": str(plan.seed)} | dict(about or {})
    if task.data_hash:
        facts.setdefault("data_hash", task.data_hash)
    return Deployment(Path(folder), parts, plan, facts)
