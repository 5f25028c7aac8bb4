"""The rule by which programs vote on inputs."""

import numpy as np
import pytest
from codebudget.estimators import FloatArray, IntArray
from codebudget.rankers.voting import votes, weights


def alone(outputs: IntArray, weight: FloatArray) -> FloatArray:
    """Scores of programs that were drawn once each and are the only subset, which uses all inputs."""
    used = np.ones((1, outputs.shape[1]), np.bool_)
    return votes(outputs, used, np.arange(len(outputs))[None], weight[None])[0]


def test_the_larger_agreement_wins_and_failing_agrees_with_nobody() -> None:
    scores = alone(np.array([[0, 0, 0], [0, 0, 1], [0, 2, 3], [-1, -1, -1]]), np.ones(4))
    assert scores[0] == scores[1] > scores[2] > scores[3]
    assert np.isclose(scores[3], np.log(0.1))
    # Shares of 3/4, 2/4 and 1/4.
    assert np.isclose(scores[0], np.log([0.85, 0.6, 0.35]).mean())


def test_values_of_one_input_do_not_meet_those_of_another() -> None:
    outputs = np.array([[0, 1], [1, 0], [1, 2], [2, 1]])
    assert np.allclose(
        alone(outputs, np.ones(4)), np.log([0.35, 0.6, 0.6, 0.35]) / 2 + np.log([0.6, 0.35, 0.35, 0.6]) / 2
    )


def test_inputs_on_which_few_return_anything_do_not_count() -> None:
    outputs = np.array([[0, -1], [0, -1], [1, 0], [0, -1]])
    assert np.allclose(alone(outputs, np.ones(4)), np.log([0.85, 0.85, 0.35, 0.85]))
    # Where all are such inputs, those that most return on count.
    few = np.array([[-1, -1], [-1, -1], [0, -1], [-1, -1]])
    assert alone(few, np.ones(4)).argmax() == 2


def test_without_inputs_all_score_the_same() -> None:
    assert alone(np.empty((4, 0), np.int64), np.ones(4)).tolist() == [0.0] * 4
    outputs, used = np.array([[0, 1], [1, 1]]), np.array([[False, False], [True, False]])
    none, one = votes(outputs, used, np.array([[0, 1, 1]] * 2), np.ones((2, 3)))
    assert none.tolist() == [0.0] * 3
    assert np.allclose(one, np.log([1 / 3 + 0.1, 2 / 3 + 0.1, 2 / 3 + 0.1]))


@pytest.mark.parametrize("k", [1, 2, 7, 30])
def test_a_subset_scores_as_if_there_were_no_other(k: int) -> None:
    chance = np.random.default_rng(k)
    outputs = chance.integers(-1, 4, (12, 31))
    rows, used = chance.integers(0, 12, (40, k)), chance.random((40, 31)) < 0.7
    weight = weights(-2.0 * chance.random((40, k)), chance.integers(0, 2, (40, k)).astype(float))
    at_once = votes(outputs, used, rows, weight)
    for row, columns, share, found in zip(rows, used, weight, at_once, strict=True):
        programs, again = np.unique(row, return_inverse=True)
        order = chance.permutation(k)
        own = outputs[programs][:, columns]
        every = np.ones((1, own.shape[1]), np.bool_)
        assert votes(own, every, again[order][None], share[order][None])[0].tolist() == found[order].tolist()


def test_those_that_an_example_refutes_hardly_vote() -> None:
    prior, held = np.array([[0.0, 0.0, 0.0, -2.0]] * 2), np.array([[1.0, 0.5, 0.5, 1.0], [0.5, 0.5, 0.5, 0.5]])
    assert np.allclose(weights(prior, held), [[1, 0.02, 0.02, np.exp(-2)], [1, 1, 1, np.exp(-2)]])
