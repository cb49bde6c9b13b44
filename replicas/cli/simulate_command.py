"""``replicas simulate``: learning algorithms, or exact enumeration, on random instances of finite N.

The words are those of the other commands; the answer is a success curve with its threshold (or entropies of the solutions),
one for every algorithm and N. With ``--compare`` the thresholds stand beside the capacity of the theory.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from ..progress import asking
from .arguments import Once, choice, parse_values, whole_number

ENUMERATION = "enumeration"
GROUPS = {
    "binary weights": (
        "sbpi", "reinforced-bp", "reinforced-tap", "reinforced-max-sum", "focusing-bp", "stochastic-perceptron",
        "annealed-stochastic-perceptron", "replicated-sgd", "elastic-sgd", "entropic-monte-carlo", "annealing", "clipped-hebb",
    ),
    "real weights": ("perceptron-rule", "hebb", "pseudo-inverse", "adaline", "max-stability"),
    "tree committees of real weights": ("least-action", "committee-sgd", "committee-elastic-sgd"),
}  # fmt: skip
"""Names in `replicas.simulation.algorithms.ALGORITHMS`, known here without loading the kernels."""
ALGORITHMS = tuple(name for names in GROUPS.values() for name in names)
MODELS = ("perceptron", "tree-committee")
EXAMPLES = (
    "replicas simulate --algorithm sbpi --N 1001 --alpha 0.5:0.75:0.05",
    "replicas simulate --algorithm sbpi reinforced-bp --N 1001 --alpha 0.6 0.7 --instances 50 --compare --json",
    "replicas simulate --algorithm max-stability --N 201 --alpha 0.4:0.8:0.1 --kappa 0.5 --compare",
    "replicas simulate --algorithm committee-sgd --model tree-committee --K 3 --N 999 --alpha 1:3:0.5",
    "replicas simulate --algorithm enumeration --N 15 21 --alpha 0.2:0.8:0.2 --instances 100",
)


def simulate_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of ``replicas simulate``."""
    groups = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in GROUPS.items())
    group = parser.add_argument_group("algorithm")
    group.add_argument("--algorithm", action=Once, nargs="+", metavar="NAME", help=f"one or several: {groups}; all solutions: {ENUMERATION}")
    group.add_argument("--budget", action=Once, metavar="STEPS", help="steps that a run may take (default: the algorithm's own)")
    group = parser.add_argument_group("instances")
    group.add_argument("--model", action=Once, default="perceptron", help="perceptron (default) or tree-committee")
    group.add_argument("--K", action=Once, metavar="K", help="branches of a tree-committee, odd (default 3); K divides N")
    group.add_argument("--kappa", action=Once, metavar="X", default="0", help="margin of a perceptron (default 0)")
    group.add_argument("--likelihood", action=Once, default="threshold", help="threshold (default); window for enumeration")
    group.add_argument("--task", action=Once, default="storage", help="storage (default) or teacher-student")
    group.add_argument("--patterns", action=Once, default="binary", help="binary (default) or gaussian")
    group.add_argument("--N", action=Once, nargs="+", metavar="N", help="sites; several make a sweep")
    group.add_argument("--alpha", action=Once, nargs="+", metavar="X", help="loads P/N; several values or start:stop:step make a sweep")
    group.add_argument("--instances", action=Once, metavar="M", default="50", help="fresh instances at every load (default 50)")
    group.add_argument("--seed", action=Once, metavar="S", default="0", help="seed of every draw, >= 0 (default 0)")
    group.add_argument("--workers", action=Once, metavar="W", help="threads (default: one a processor)")
    group = parser.add_argument_group("output")
    group.add_argument("--compare", action="store_true", help="set thresholds, or entropies, beside the theory's")
    group.add_argument("--json", action="store_true", help="one JSON object on stdout, numbers as decimal strings")


def run_simulate(options: argparse.Namespace) -> int:
    """Simulate, print, and judge where asked to."""
    names = [choice("algorithm", name, (*ALGORITHMS, ENUMERATION)) for name in options.algorithm or ()]
    for name in ("algorithm", "N", "alpha"):
        if getattr(options, name) is None:
            raise ValueError(f"{name}: missing; takes it as --{name}")
    choice("model", options.model, MODELS)
    choice("likelihood", options.likelihood, ("threshold", "window"))
    choice("task", options.task, ("storage", "teacher-student"))
    if options.model == "perceptron" and options.K is not None:
        raise ValueError(f"K: got {options.K} with model perceptron, which is one unit; takes it with tree-committee")
    if options.likelihood == "window" and names != [ENUMERATION]:
        raise ValueError("likelihood: got window; takes threshold (window with enumeration alone)")
    if options.budget is not None and ENUMERATION in names:
        raise ValueError(f"budget: got {options.budget} with enumeration, which counts all; takes it with the other algorithms")
    sizes = [_whole("N", word) for word in options.N]
    for name, values in (("algorithm", names), ("N", sizes)):
        if len(set(values)) < len(values):
            raise ValueError(f"{name}: got one twice in {' '.join(str(v) for v in values)}, takes each once")
    from .. import interrupts, simulation
    from ..simulation.display.results import overall

    K = 3 if options.K is None else _whole("K", options.K)
    given: dict[str, Any] = {
        "instances": _whole("instances", options.instances),
        "seed": _whole("seed", options.seed),
        "task": options.task,
        "patterns": options.patterns,
        "kappa": parse_values("kappa", [options.kappa]).numbers[0],
        "machine": simulation.majority(K) if options.model == "tree-committee" else simulation.PERCEPTRON,
        "workers": whole_number("workers", options.workers),
    }
    alphas = list(parse_values("alpha", options.alpha).numbers)
    answers: list[Any] = []
    for name in names:
        for N in sizes:
            with asking(len(alphas) * given["instances"], f"{name}, N = {N}") as bar:
                def progress(done: int, total: int, bar: Any = bar) -> None:
                    interrupts.check()
                    bar.total = total
                    bar.update(done - bar.n)
                if name == ENUMERATION:
                    found: Any = simulation.entropy_curve(N, alphas, likelihood=options.likelihood, progress=progress, **given)
                else:
                    budget = whole_number("budget", options.budget)
                    found = simulation.success_curve(name, N, alphas, budget=budget, progress=progress, **given)
            answers.append(found)
            if found.interrupted:
                break
        if answers[-1].interrupted:
            break
    judged = [_judged(answer, options, given["kappa"], K) if options.compare else None for answer in answers]
    if options.json:
        plain = [{**answer.to_dict(), **({"verdict": v} if v else {})} for answer, v in zip(answers, judged)]
        asked = len(names) * len(sizes)
        cut = ["interrupted"] if len(answers) < asked else []
        status = overall([*cut, *(answer.status for answer in answers)])
        print(json.dumps(plain[0] if asked == 1 else {"quantity": "simulate", "curves": plain, "status": status}))
    else:
        for answer, verdict in zip(answers, judged):
            print(answer)
            if verdict:
                print(f"  theory: {verdict['text']}")
    if any(answer.interrupted for answer in answers):
        print("replicas simulate: interrupted; what was completed is above", file=sys.stderr)
        return 130
    return 0 if any(answer.status == "converged" for answer in answers) else 1


def _whole(name: str, word: str) -> int:
    number = whole_number(name, word, "a whole number")
    assert number is not None
    return number


def _judged(answer: Any, options: argparse.Namespace, kappa: float, K: int) -> dict[str, Any]:
    """The verdict of the theory on one curve, or why there is none."""
    import replicas as rp

    counted = hasattr(answer, "entropy")
    if options.task != "storage" and not counted:
        return {"text": "no verdict: success has no end in a teacher-student problem"}
    binary = answer.binary
    weights = "binary" if binary else "spherical"
    model: Any
    if options.model == "tree-committee":
        model = rp.TreeCommittee(K, weights, task=options.task)
    else:
        model = rp.Perceptron(weights, kappa=kappa, likelihood=options.likelihood, task=options.task)
    if counted:
        return answer.against(rp.solve(model, alpha=answer.alphas).entropy)
    end = rp.capacity(model)
    if end.value is None:
        return {"text": f"no verdict: {end.message}"}
    if answer.threshold.value is None:
        return {"text": f"no verdict: the threshold is {answer.threshold} (capacity {end.value:.6g}, {weights} weights, replica symmetric)"}
    verdict = rp.compare(end, answer)
    text = f"{verdict.text}; capacity {end.value:.6g} ({weights} weights, replica symmetric)"
    return {**verdict.to_dict(), "text": text}
