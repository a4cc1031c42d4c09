"""Small teams on the toy poses: a card, and what its deployment asks."""

from querist.agents.matal.agent import AGENT
from querist.agents.matal.partition import partitioned
from querist.agents.matal.policy import MatalPolicy
from querist.core.loop import Deployment
from querist.core.oracle import SimulatedOracle
from querist.core.plan import Parts, Plan
from toy_poses import ToyPoses, poses_split, poses_stage

SMALL = {"episodes": 2, "steps": 3, "frequencies": 32, "landmarks": 8, "bins": 4, "check_games": 0, "warm_up": 1,
         "first_width": 8, "second_width": 4, "meta_episodes": 2}  # fmt: skip
CHANGES = {"sound": SMALL | {"batch": 2, "replay": 50, "meta_updates": 2}, "faithful": SMALL}


def a_card(folder, profile="sound", changes=None, seed=1, **rest):
    return AGENT.train(profile, CHANGES[profile] | (changes or {}), poses_stage(folder, partitioned), seed, **rest)


def deployed(folder, card, task=None):
    task, policy = task or ToyPoses(), MatalPolicy(card)
    policy.check(task)
    candidates, eyes = policy.own_candidates(card.profile, 3), policy.own_featuriser(task)
    parts = Parts(task.pool, poses_split(), task, policy, candidates, eyes, SimulatedOracle(task))
    with Deployment(folder, parts, Plan(0, 3, (12,), 2, 2, 5), {}) as run:
        events = list(run.play())
        return [q.unit for q in run.ledger.questions(1, task.pool)], events
