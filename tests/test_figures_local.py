"""Figures of the geometry of solutions."""

import numpy as np
import pytest

import replicas as rp
from replicas import plotting
from replicas.figures import drawing
from replicas.figures import local as figures_local
from replicas.local_results import FranzParisi, LocalEntropy


def test_the_errors_of_binarised_magnetizations_fall_with_their_norm():
    columns = plotting.FIGURES["energy-vs-qstar"].data()
    q_star, energy, error = (np.array(columns[k]) for k in ("q_star", "energy_binarised", "energy_binarised_error"))
    assert set(columns["status"]) == {"converged"} and all(s is True for s in columns["stable"])  # as its caption says
    assert np.all(np.diff(q_star) > 0) and np.all(np.diff(energy) < 0)
    assert np.all(error < 1e-6 * energy)
    (i,) = np.flatnonzero(q_star == 0.9)
    assert energy[i] == pytest.approx(rp.solve(rp.StochasticPerceptron(0.9, 20.0), 0.55).energy_binarised, rel=1e-12)
    drawn = plotting.FIGURES["energy-vs-qstar"].draw(columns).axes[1].get_lines()[0].get_xydata()
    assert np.allclose(drawn, np.column_stack([q_star, energy]))


# --- curves against the distance ---------------------------------------------------------------------------------------

ENTROPIES = {"franz-parisi-three-references": "entropy", "local-entropy-vs-distance": "local_entropy", "dense-cluster-generalization": "local_entropy"}
STATUSES = {"converged", "unphysical", "branch-ended", "no-solution"}


@pytest.fixture(scope="module")
def made():
    """Data of a figure by name, computed once."""
    kept = {}

    def data(name):
        if name not in kept:
            kept[name] = plotting.FIGURES[name].data()
        return kept[name]

    return data


def binary_entropy(d):
    return -d * np.log(d) - (1 - d) * np.log1p(-d)


def rows_of(columns, **where):
    rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
    return [r for r in rows if all(r[k] == v for k, v in where.items())]


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize("name", ENTROPIES)
def test_curves_lie_below_the_entropy_of_all_configurations(made, name):
    columns, column = made(name), ENTROPIES[name]
    assert set(columns["status"]) <= STATUSES and "converged" in columns["status"]
    some = [r for r in rows_of(columns) if r["distance"] is not None and r.get("quantity") != "isolation"]
    for r in some:
        answered = r["status"] in ("converged", "unphysical")
        assert answered == np.isfinite(r[column]) == np.isfinite(r[f"{column}_error"])
        if r["status"] == "converged":
            assert r[column] <= binary_entropy(r["distance"]) + r[f"{column}_error"] + 1e-15  # at alpha = 0 they are equal
            assert r[column] > -r[f"{column}_error"]
        if r["alpha"] == 0:
            assert r[column] == pytest.approx(binary_entropy(r["distance"]), abs=2e-15)


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize("name", ENTROPIES)
def test_drawings_of_curves_keep_the_house_style(made, name):
    palette = {color.lower() for color in (drawing.BLACK, *drawing.CYCLE)}
    for narrow in (False, True):
        figure = plotting.FIGURES[name].draw(made(name), narrow=narrow)
        assert len(figure.axes) == 2
        for ax in figure.axes:
            assert ax.get_xlabel() and ax.get_ylabel() and ax.get_title(loc="left")
            assert {line.get_color().lower() for line in ax.get_lines()} <= palette


@pytest.mark.slow
@pytest.mark.nightly
def test_typical_solutions_are_more_isolated_than_stochastic_ones(made):
    columns = made("franz-parisi-three-references")
    zero = {(r["reference"], r["q_star"]): r for r in rows_of(columns, quantity="isolation")}
    model = rp.Perceptron(weights="binary")
    assert zero["typical", None]["distance"] == pytest.approx(rp.isolation(model, 0.55).value, rel=1e-12)
    for (kind, q_star), r in zero.items():
        about = {"reference": kind, "q_star": q_star}
        curve = rows_of(columns, quantity="entropy", **about)
        assert [c["distance"] for c in curve] == sorted(c["distance"] for c in curve)
        if r["status"] == "converged":  # the curve changes sign there
            assert all((c["entropy"] > 0) == (c["distance"] > r["distance"]) for c in curve if np.isfinite(c["entropy"]) and abs(c["entropy"]) > 1e-9)
    beside, near = ({(r["reference"], r["q_star"]): r["entropy"] for r in rows_of(columns, quantity="entropy", distance=d)} for d in (0.08, 0.01))
    order = [("spherical", None), ("typical", None), ("stochastic", 0.7), ("stochastic", 0.8), ("stochastic", 0.9)]
    assert np.all(np.diff([beside[k] for k in order]) > 0) and np.all(np.diff([near[k] for k in order[1:]]) > 0)
    assert beside["spherical", None] < 0 and near["typical", None] < 0 < near["stochastic", 0.7]


@pytest.mark.slow
@pytest.mark.nightly
def test_denser_loads_have_thinner_surroundings(made):
    columns = made("local-entropy-vs-distance")
    for d in sorted(set(columns["distance"])):
        some = sorted((r for r in rows_of(columns, distance=d) if r["status"] == "converged"), key=lambda r: r["alpha"])
        values, errors = (np.array([r[k] for r in some]) for k in ("local_entropy", "local_entropy_error"))
        assert len(some) > 1 and np.all(np.diff(values) < errors[1:] + errors[:-1])
    for r in rows_of(columns, status="converged"):
        assert r["alpha"] == 0 or (abs(r["external_entropy"]) < 1e-8 and (r["y"] > 1 or "middle of bounds" in r["message"]))
    assert "branch-ended" in {r["status"] for r in rows_of(columns, alpha=0.8)}  # beyond alpha_U = 0.77


@pytest.mark.slow
@pytest.mark.nightly
def test_dense_clusters_generalize_better_than_typical_solutions(made):
    columns = made("dense-cluster-generalization")
    typical = {r["alpha"]: r for r in rows_of(columns, quantity="typical")}
    answered = rows_of(columns, quantity="errors", status="converged")
    assert {r["distance"] for r in answered} == set(figures_local.AROUND)
    for r in answered:
        one = typical[r["alpha"]]
        assert one["eps_bayes"] < r["eps_reference"] < r["eps_solutions"] < one["eps_gibbs"]
    (mark,) = rows_of(columns, quantity="alpha_it")
    assert max(r["alpha"] for r in answered) < mark["alpha"]
    last = {d: max(r["alpha"] for r in answered if r["distance"] == d) for d in figures_local.AROUND}
    assert last[0.02] <= last[0.05]
    some = next(r for r in answered if r["alpha"] == 0.9 and r["distance"] == 0.05)
    again = rp.local_entropy(rp.Perceptron(weights="binary", task="teacher-student"), 0.9, 0.05)
    assert some["eps_reference"] == pytest.approx(again.eps_reference, abs=1e-10)


# --- drawing a result --------------------------------------------------------------------------------------------------


def axes():
    from matplotlib.figure import Figure

    return Figure().add_subplot()


def drawn_lines(ax):
    return [(line.get_xdata(), line.get_ydata(), line.get_linestyle() == "-") for line in ax.get_lines()]


def some_result(**changes):
    status = np.array(["unphysical", "unphysical", "converged", "converged", "branch-ended", "converged"], dtype=object)
    values = {"distance": np.array([0.01, 0.02, 0.03, 0.04, 0.05, 0.06]), "entropy": np.array([-0.2, -0.1, 0.1, 0.2, 9.0, 0.3]), "status": status}
    return FranzParisi(model=rp.Perceptron(weights="binary"), **{"alpha": 0.5, "kappa": 0.0, "jump": False, **values, **changes})


def test_a_result_is_drawn_dashed_where_unphysical_with_gaps_where_nothing_is_known():
    ax = some_result().plot(axes())
    dashed, solid, *rest = [(x, y, s) for x, y, s in drawn_lines(ax) if np.isfinite(y).any()]
    assert not dashed[2] and solid[2]
    assert dashed[0].tolist() == [0.01, 0.02, 0.03] and dashed[1].tolist() == [-0.2, -0.1, 0.1]  # up to where the other begins
    assert solid[0].tolist() == [0.03, 0.04, 0.05] and solid[1][:2].tolist() == [0.1, 0.2] and np.isnan(solid[1][2])
    assert not any((y == 9.0).any() for _, y, _ in drawn_lines(ax))
    assert ax.get_xlabel() == "Hamming distance $d$" and "S_{\\mathrm{FP}}" in ax.get_ylabel()


def test_a_jump_interrupts_the_line():
    ok = np.full(6, "converged", dtype=object)
    ax = some_result(status=ok, jump=np.array([False, False, True, False, False, False])).plot(axes(), color="k", linewidth=3)
    ((_, y, solid),) = drawn_lines(ax)
    assert np.flatnonzero(np.isnan(y)).tolist() == [2] and solid
    assert ax.get_lines()[0].get_linewidth() == 3 and ax.get_lines()[0].get_color() == "k"


def test_a_result_has_one_line_for_each_load_and_each_given_y():
    d = np.array([0.3, 0.1, 0.2])
    ax = rp.franz_parisi(rp.Perceptron(weights="binary"), 0.0, d).plot(axes())
    ((x, y, _),) = drawn_lines(ax)
    assert x.tolist() == [0.1, 0.2, 0.3] and np.allclose(y, binary_entropy(x), rtol=1e-14) and ax.get_legend() is None
    y_given = np.broadcast_to(np.array([[1.0], [2.0]]), (2, 3))
    several = LocalEntropy(model=rp.Perceptron(), alpha=0.5, distance=np.broadcast_to(d, (2, 3)), y=y_given, local_entropy=y_given * d,
                           jump=False, status=np.full((2, 3), "converged", dtype=object))  # fmt: skip
    ax = several.plot(axes())
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["$y$ = 1", "$y$ = 2"]
    assert [line[1].tolist() for line in drawn_lines(ax)] == [[0.1, 0.2, 0.3], [0.2, 0.4, 0.6]]
    star = LocalEntropy(model=rp.Perceptron(), alpha=0.5, distance=d, y=np.array([9.0, 5.0, 7.0]), local_entropy=d, jump=False,
                        status=np.full(3, "converged", dtype=object))  # fmt: skip
    assert len(drawn_lines(star.plot(axes()))) == 1


def test_a_single_point_is_not_drawn():
    with pytest.raises(ValueError, match=r"^result: got a single point"):
        rp.franz_parisi(rp.Perceptron(weights="binary"), 0.0, 0.1).plot()
