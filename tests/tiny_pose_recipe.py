"""A recipe about the poses of ``tiny_pose_task``, and its data on disk, to be played by the commands in seconds."""

import json

from PIL import Image

from tiny_pose_task import LIMB, limbs

TRAINING = {"batch": 4, "optimiser": {"name": "adamw", "lr": 1e-3}}
TEAM = {
    "episodes": 1, "steps": 2, "warm_up": 1, "meta": "none", "frequencies": 16, "landmarks": 8, "bins": 4,
    "check_games": 0, "first_width": 8, "second_width": 4, "batch": 2, "replay": 9, "labelled_share": 0.1,
}  # fmt: skip
POSES = {
    "problem": {
        "class_path": "querist.tasks.pose.problem.PoseProblem",
        "init_args": {
            "size": 32,
            "test": 4,
            "start": 10,
            "split_seed": 0,
            "model": {"path": "tiny_pose_task.TinyMaps"},
            "schedule": {"start": TRAINING, "step": TRAINING, "final": TRAINING},
        },
    },
    "budgets": [4, 8],
    "batch": 2,
    "strategies": ["random", "matal/sound"],
    "train": {"policies": 1, "halves": 1, "start": 2, "first": 2, "update": 1, "settings": {"matal/sound": TEAM}},
    "device": "cpu",
}


def write_poses(folder, labelled, images=20):
    """The first images of ``limbs`` as a plain folder in which nobody knows the joints of the others."""
    data = limbs()
    folder.mkdir()
    (folder / "skeleton.json").write_text(LIMB.to_json())
    frames = []
    for i in range(images):
        Image.fromarray(data.image(i)).save(folder / f"{data.names[i]}.png")
        frames.append({"path": f"{data.names[i]}.png"})
        if i in labelled:
            frames[-1]["joints"] = data.joints[i].tolist()
    (folder / "joints.json").write_text(json.dumps({"frames": frames}))
    return folder
