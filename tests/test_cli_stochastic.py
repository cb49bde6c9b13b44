"""The stochastic perceptron on the command line."""

import pytest

import replicas as rp


def test_solve_gives_every_key(ask):
    found = ask("solve --model stochastic-perceptron --alpha 0.55 --beta 20 --q-star 0.7")
    point = rp.solve(rp.StochasticPerceptron(0.7, 20.0), 0.55)
    assert found["model"] == {"name": "stochastic-perceptron", "q_star": 0.7, "beta": 20.0, "task": "storage"}
    for name in ("q", "free_entropy", "energy_binarised", "mean_abs_m", "log_likelihood", "replicon"):
        assert float(found[name]) == getattr(point, name)
        assert name == "free_entropy" or float(found["errors"][name]) >= point.errors[name]
    assert (found["q_star"], found["status"], found["stable"]) == (0.7, "converged", True)


def test_beta_and_q_star_are_swept(ask):
    found = ask("solve --model stochastic-perceptron --alpha 0.3 --beta 1 2 --q-star 0.4:0.6:0.1")
    assert [(p["beta"], p["q_star"]) for p in found["points"]] == [(b, q) for b in (1.0, 2.0) for q in (0.4, 0.5, 0.6)]
    last = rp.solve(rp.StochasticPerceptron(0.6, 2.0), 0.3)
    assert float(found["points"][-1]["energy_binarised"]) == last.energy_binarised
    stable = ask("stability --model stochastic-perceptron --alpha 0.3 --beta 1 2 --q-star 0.6")
    assert float(stable["points"][1]["replicon"]) == last.replicon and stable["points"][1]["beta"] == 2.0


def test_derive_prints_the_chain(run):
    code, out, err = run("derive --model stochastic-perceptron --q-star 0.5 --beta 3")
    assert code == 0 and err == "" and "q_star" in out and "Stability" in out


@pytest.mark.parametrize(
    "line, says",
    [
        ("solve --model stochastic-perceptron --alpha 0.5", "q_star: missing"),
        ("solve --model stochastic-perceptron --alpha 0.5 --q-star 1.5", "q_star: got 1.5; takes"),
        ("solve --model stochastic-perceptron --alpha 0.5 --q-star 0.5 --kappa 1", "kappa: got 1 .*no margin"),
        ("solve --model stochastic-perceptron --alpha 0.5 --q-star 0.5 --K 3", "K: got 3 .*one unit"),
        ("solve --model stochastic-perceptron --alpha 0.5 --q-star 0.5 --weights spherical", "weights: got spherical"),
        ("solve --model stochastic-perceptron --alpha 0.5 --q-star 0.5 --m 0.5", "m: got .*takes None"),
        ("solve --alpha 0.5 --q-star 0.5", "q_star: got 0.5 with model perceptron"),
        ("solve --model committee --alpha 0.5 --q-star 0.5", "q_star: got 0.5 with model committee"),
        ("capacity --model stochastic-perceptron", "model: got stochastic-perceptron; takes another"),
    ],
)
def test_bad_arguments_are_one_line(run, line, says):
    import re

    code, out, err = run(line)
    assert (code, out) == (2, "") and err.count("\n") == 1 and re.search(says, err)
