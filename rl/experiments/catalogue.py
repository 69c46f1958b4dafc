"""The experiments, the most important first, and the runs that they are made of.

A step of every RL run is 96 decisions, 8 for each of 12 rows, by PPO as by GRPO: runs of equally many steps have seen
equally much, and those of a seed the same rows. The session runs and the one beside them make 192 decisions a step in
mini-batches of 12: a session's decisions come in a number that is no choice of the optimiser's, and all three have the
same updates.
"""

from __future__ import annotations

from memory_r1.memory.errors import InputError
from memory_r1.rl.experiments.types import Experiment, Run

START = "start"
"""The policy that training starts from, as if it were a run."""
EARLY = "start of managers"
"""The policy that managers start from, where answerers do, too."""
SEEDS = (1, 2, 3)
STEPS, ROWS, EACH = 30, 12, 8
BATCH = ROWS * EACH
_RL = (f"data.train_batch_size={ROWS}", f"actor_rollout_ref.rollout.n={EACH}")
_ANSWERER = (*_RL, "actor_rollout_ref.actor.optim.lr=1e-4")
"""A finished policy's rate: at 4e-4 what it says likeliest got worse while its samples got better (LOG.md)."""
PATIENT = 150
_PATIENT = (
    *_RL, "actor_rollout_ref.actor.optim.lr=2e-4", "actor_rollout_ref.actor.optim.lr_scheduler_type=cosine",
)  # fmt: skip
"""Five times as many steps, at a rate that falls to nothing."""
CAREFUL = 60
_CAREFUL = (*_RL, "actor_rollout_ref.actor.optim.lr=2e-4")
_DEAR = "em=1,wrong=-1"
"""A wrong answer costs what a right one earns."""
_SHUFFLED = ("++memory_r1.control=shuffled",)
_SFT = (f"data.train_batch_size={BATCH}", "optim.lr=3e-4")
LONGER = 120
_FORMAT = (f"data.train_batch_size={BATCH}", "optim.lr=2e-3")
"""Another form of reply is to be learned: 30 steps at 3e-4 didn't (LOG.md)."""
_MINI, _WHOLE = 12, 48
_SESSIONS = (
    f"data.train_batch_size={_MINI}", f"actor_rollout_ref.actor.ppo_mini_batch_size={_MINI}",
    f"actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu={_MINI}", "actor_rollout_ref.rollout.n=1",
    "actor_rollout_ref.actor.optim.lr=5e-5", "++memory_r1.session.rolls=4",
)  # fmt: skip
_SINGLE = (
    f"data.train_batch_size={_WHOLE}", "actor_rollout_ref.actor.ppo_mini_batch_size=3",
    f"actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu={_MINI}", "actor_rollout_ref.rollout.n=4",
    "actor_rollout_ref.actor.optim.lr=5e-5",
)  # fmt: skip

RUNS = {
    run.name: run
    for run in (
        Run("grpo-manager", "manager", "grpo", STEPS, ROWS, _RL),
        Run("shuffled-manager", "manager", "grpo", STEPS, ROWS, (*_RL, *_SHUFFLED)),
        Run("ppo-manager", "manager", "ppo", STEPS, ROWS, _RL),
        Run("shuffled-ppo-manager", "manager", "ppo", STEPS, ROWS, (*_RL, *_SHUFFLED)),
        Run("grpo-answerer", "answerer", "grpo", STEPS, ROWS, _ANSWERER),
        Run("shuffled-answerer", "answerer", "grpo", STEPS, ROWS, (*_ANSWERER, *_SHUFFLED)),
        Run("ppo-answerer", "answerer", "ppo", STEPS, ROWS, _ANSWERER),
        Run("early-answerer", "answerer", "grpo", STEPS, ROWS, _RL, early=True),
        Run("shuffled-early-answerer", "answerer", "grpo", STEPS, ROWS, (*_RL, *_SHUFFLED), early=True),
        Run("patient-answerer", "answerer", "grpo", PATIENT, ROWS, _PATIENT),
        Run("shuffled-patient-answerer", "answerer", "grpo", PATIENT, ROWS, (*_PATIENT, *_SHUFFLED)),
        Run("careful-answerer", "answerer", "grpo", CAREFUL, ROWS, _CAREFUL, rewards=_DEAR),
        Run("shuffled-careful-answerer", "answerer", "grpo", CAREFUL, ROWS, (*_CAREFUL, *_SHUFFLED), rewards=_DEAR),
        Run("sft-manager", "manager", "sft", STEPS, BATCH, _SFT),
        Run("f1-answerer", "answerer", "grpo", STEPS, ROWS, _ANSWERER, rewards="f1"),
        Run("single-manager", "manager", "grpo", 12, _WHOLE, _SINGLE, natural=True),
        Run("session-manager", "manager", "grpo", 12, _MINI, _SESSIONS, turns=4, natural=True),
        Run(
            "broadcast-manager", "manager", "grpo", 12, _MINI, (*_SESSIONS, "++memory_r1.session.credit=broadcast"),
            turns=4, natural=True,
        ),
        Run("sft-answerer", "answerer", "sft", LONGER, BATCH, _FORMAT),
        Run("plain-sft-answerer", "answerer", "sft", LONGER, BATCH, _FORMAT, distil=False),
    )
}  # fmt: skip

EXPERIMENTS = (
    Experiment(
        "a", "GRPO teaches the manager from answers alone; with shuffled rewards nothing is learned.", ("manager",),
        ("grpo-manager", "shuffled-manager"),
    ),
    Experiment("b", "PPO teaches the manager, too.", ("manager",), ("ppo-manager", "shuffled-ppo-manager")),
    Experiment(
        "c", "GRPO and PPO teach the answerer.", ("answerer",),
        ("grpo-answerer", "shuffled-answerer", "ppo-answerer"),
    ),
    Experiment(
        "d", "SFT < PPO ≤ GRPO, after equally many decisions.", ("manager",),
        ("sft-manager", "ppo-manager", "grpo-manager"),
        caution="SFT sees the oracle's operations, RL only rewards: the paper's SFT learns from a stronger model's.",
    ),
    Experiment(
        "e", "Training both roles helps more than either alone.", ("together",),
        pairs=((START, START), ("grpo-manager", START), (START, "grpo-answerer"), ("grpo-manager", "grpo-answerer")),
        caution="Each role was trained beside a frozen partner, and put together afterwards; always-noop and oracle: "
        "as the answerer to begin with tells.",
    ),
    Experiment(
        "f", "An exact-match reward makes for higher exact match than an F1 reward.", ("answerer",),
        ("grpo-answerer", "f1-answerer"),
        caution="The world's answers are short, so that F1 and exact match differ less than in long talk.",
    ),
    Experiment(
        "i", "GRPO teaches an answerer that SFT left as unfinished as the managers; shuffled rewards don't.",
        ("answerer",), ("early-answerer", "shuffled-early-answerer"),
    ),
    Experiment(
        "j", "GRPO teaches the answerer, given five times as many steps; shuffled rewards don't.", ("answerer",),
        ("patient-answerer", "shuffled-patient-answerer"),
    ),
    Experiment(
        "k", "Where a wrong answer costs as much as a right one earns, GRPO teaches the answerer when to say nothing.",
        ("answerer",), ("careful-answerer", "shuffled-careful-answerer"), cost=1.0,
    ),
    Experiment(
        "h", "Sessions with credit for each decision beat sessions with one credit for all, and single decisions.",
        ("session",), ("single-manager", "session-manager", "broadcast-manager"),
    ),
    Experiment(
        "g", "Selecting memories before answering helps.", ("answerer",), ("sft-answerer", "plain-sft-answerer"),
        caution="By SFT: the policy that training starts from has only learned to select first.",
    ),
)  # fmt: skip


def start_of(one: Experiment) -> str:
    """What the policy is called that the runs of `one` start from."""
    return EARLY if any(RUNS[name].early for name in one.runs) else START


def experiment(name: str) -> Experiment:
    """The experiment called `name`. Raises InputError naming those that there are."""
    for one in EXPERIMENTS:
        if one.name == name:
            return one
    raise InputError(f"there is no experiment {name!r}: choose from {', '.join(one.name for one in EXPERIMENTS)}")


def needed(names: tuple[str, ...]) -> list[Run]:
    """The runs of the experiments called so, each once, in order. Raises InputError."""
    found: dict[str, Run] = {}
    for one in map(experiment, names):
        for name in (*one.runs, *(part for pair in one.pairs for part in pair)):
            if name != START:
                found[name] = RUNS[name]
    return list(found.values())
