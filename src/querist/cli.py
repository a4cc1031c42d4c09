"""The command line. One verb is one call of :mod:`querist.commands`; nothing heavy is imported before a verb runs."""

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any

from querist.errors import QueristError

_RECIPE = "a shipped recipe's name, or the path of a YAML file"
_DATA = "the data folder (default: the recipe's folder below QUERIST_DATA)"
_STRATEGY = "who chooses, such as margin/group (default: what --policy is, or a rule for this kind of labels)"
_LEARNED = "what to train, such as ralis/faithful (default: the sound policy for this kind of labels)"
_POLICY = "a trained policy: a card's folder, or 'default', the one that comes with querist"
_POLICIES = "play these cards instead of training their strategies: folders, or 'default', the one that comes along"
_BEGINS = "who chooses (default: the policy that comes with querist; a learned one named here begins untrained)"
_LABELLED = "what is labelled in the data folder: batches (.json, .csv), lists of names, or 'known': all that is"
_EXCLUDE = "what not to offer: batches (.json, .csv) or lists of names"
_ANSWERS = "an earlier run's folder: what was answered there, on the same data, is answered at once"
_STOPPED = {
    **dict.fromkeys(("run", "resume"), "what was answered and measured is kept, and 'querist resume FOLDER' goes on"),
    **dict.fromkeys(
        ("compare", "demo", "label"), "what was answered and measured is kept, and the same command goes on"
    ),
}
"""What is kept when a verb is interrupted; of the others nothing is."""
_SET = "change the recipe: key=value, such as problem.start=50; may be given several times"


def _parser() -> Any:
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(
        prog="querist",
        description="Learns what to ask a labeller: spends a labelling budget where it improves a vision model most.",
        version=version("querist"),
    )
    verbs = parser.add_subcommands(required=True, dest="verb", metavar="VERB")

    def verb(name: str, what: str) -> Any:
        sub = ArgumentParser(description=what)
        verbs.add_subcommand(name, sub, help=what)
        return sub

    _add_players(verb)
    _add_followers(verb)
    return parser


def _add_players(verb: Callable[[str, str], Any]) -> None:
    """The verbs that play: demo, compare, train, run."""
    demo = verb("demo", "See it work in a few minutes on images drawn for it; needs no download.")
    demo.add_argument("which", type=str, nargs="?", default="regions", help="regions (segmentation), pose or reid")
    demo.add_argument("--out", type=str, default=None, help="the demo's folder (default: querist-demo[-WHICH])")

    compare = verb("compare", "Compare strategies fairly, over seeds, and write summary.json and report.html.")
    compare.add_argument("recipe", type=str, help=_RECIPE)
    compare.add_argument("--data", type=str, default=None, help=_DATA)
    compare.add_argument("--out", type=str, default=None, help="the comparison's folder (default: runs/RECIPE)")
    compare.add_argument("--strategies", type=str, nargs="*", default=None, help="instead of the recipe's")
    compare.add_argument("--policy", type=str, nargs="+", action="extend", default=None, help=_POLICIES)
    compare.add_argument("--seeds", type=int, nargs="*", default=None, help="instead of the recipe's")
    compare.add_argument("--workers", type=int, default=None, help="cells at a time (default: cores / threads)")
    compare.add_argument("--pictures", type=bool, default=True, help="whether the report shows the chosen regions")
    compare.add_argument("--set", type=str, action="append", default=None, metavar="KEY=VALUE", help=_SET)

    train = verb("train", "Train a policy on a recipe's starting set and write it as a policy card.")
    train.add_argument("recipe", type=str, help=_RECIPE)
    train.add_argument("--data", type=str, default=None, help=_DATA)
    train.add_argument("--out", type=str, default=None, help="the card's folder (default: policies/RECIPE-STRATEGY-N)")
    train.add_argument("--strategy", type=str, default=None, help=_LEARNED)
    train.add_argument("--number", type=int, default=0, help="which of several policies; the seed of its training")
    train.add_argument("--set", type=str, action="append", default=None, metavar="KEY=VALUE", help=_SET)

    run = verb("run", "Play one deployment with the simulated oracle: ask, answer, learn, until the budget is spent.")
    run.add_argument("recipe", type=str, help=_RECIPE)
    run.add_argument("--data", type=str, default=None, help=_DATA)
    run.add_argument("--out", type=str, default=None, help="the run's folder (default: runs/RECIPE-STRATEGY-SEED)")
    run.add_argument("--strategy", type=str, default=None, help=_STRATEGY)
    run.add_argument("--policy", type=str, default=None, help=_POLICY)
    run.add_argument("--seed", type=int, default=0, help="of everything random")
    run.add_argument("--set", type=str, action="append", default=None, metavar="KEY=VALUE", help=_SET)


def _add_followers(verb: Callable[[str, str], Any]) -> None:
    """The verbs that go on with what there is: resume, status, label, select, report."""
    resume = verb("resume", "Go on with a run that was stopped or killed; ends bit by bit as if it never had been.")
    resume.add_argument("run", type=str, help="the run's folder")
    resume.add_argument("--data", type=str, default=None, help="where the data are now, if they have moved")
    _add_place(resume)

    status = verb("status", "Show how far a run is; a run that is being written may be looked at.")
    status.add_argument("run", type=str, help="the run's folder")
    status.add_argument("--json", type=bool, default=False, nargs="?", const=True, help="as JSON, for scripts")

    label = verb("label", "Ask people about pairs, on a page in their browser, while the agent learns.")
    label.add_argument("recipe", type=str, help=_RECIPE)
    label.add_argument("--data", type=str, default=None, help=_DATA + "; nobody needs to be known")
    label.add_argument("--out", type=str, default=None, help="the run's folder (default: runs/RECIPE-label)")
    label.add_argument("--strategy", type=str, default=None, help=_BEGINS)
    label.add_argument("--policy", type=str, default=None, help=_POLICY)
    label.add_argument("--checkpoint", type=str, default=None, help="the model to begin with, a .safetensors file")
    label.add_argument("--answers-from", type=str, default=None, help=_ANSWERS)
    label.add_argument("--seed", type=int, default=None, help="of everything random (default: 0)")
    _add_place(label)
    label.add_argument("--set", type=str, action="append", default=None, metavar="KEY=VALUE", help=_SET)

    select = verb("select", "Write the next batch to label for your own checkpoint, as JSON and CSV.")
    select.add_argument("recipe", type=str, help=_RECIPE)
    select.add_argument("--data", type=str, default=None, help=_DATA + "; labels are not needed")
    select.add_argument("--checkpoint", type=str, default=None, help="your model's weights, a .safetensors file")
    select.add_argument("--strategy", type=str, default=None, help=_STRATEGY)
    select.add_argument("--policy", type=str, default=None, help=_POLICY)
    select.add_argument("--count", type=int, default=None, help="how many to select (default: the recipe's batch)")
    select.add_argument("--labelled", type=str, nargs="+", action="extend", default=[], metavar="FILE", help=_LABELLED)
    select.add_argument("--exclude", type=str, nargs="*", default=[], metavar="FILE", help=_EXCLUDE)
    select.add_argument("--out", type=str, default="batch", help="PATH without suffix: writes PATH.json and PATH.csv")
    select.add_argument("--seed", type=int, default=0, help="of everything random")
    select.add_argument("--set", type=str, action="append", default=None, metavar="KEY=VALUE", help=_SET)

    report = verb("report", "Write summary.json and report.html of a comparison's cells anew.")
    report.add_argument("folder", type=str, help="the comparison's folder")
    report.add_argument("--data", type=str, default=None, help="give the data to show pictures of the chosen regions")


def _add_place(sub: Any) -> None:
    """Where the page is; what is not said stays as it was said before."""
    sub.add_argument("--host", type=str, default=None, help="where the page is (default: on this machine alone)")
    sub.add_argument("--port", type=int, default=None, help="of the page (default: 8765); 0: any that is free")
    sub.add_argument(
        "--names",
        type=str,
        nargs="*",
        default=None,
        help="other names of this machine; https://NAME: a proxy",
    )
    sub.add_argument("--people", type=int, default=None, help="how many may answer at once (default: 8)")


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point ``querist``.

    Returns:
        0; 2 for anything the user can put right (it is said on standard error); 130 when interrupted.
    """
    os.environ.setdefault("JSONARGPARSE_ADD_PRINT_COMPLETION_ARGUMENT", "true")
    parsed = _parser().parse_args(arguments)
    verb = parsed.verb
    options = {key: value for key, value in vars(parsed[verb]).items() if key != "config"}
    try:
        import_module(f"querist.commands.{verb}").main(**options)
    except QueristError as error:
        print(f"querist {verb}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nquerist {verb}: stopped; {_STOPPED.get(verb, 'the same command begins anew')}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
