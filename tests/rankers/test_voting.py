"""The rule by which programs vote on inputs."""

import numpy as np
from codebudget.rankers.voting import votes, weights

NONE = np.zeros(4)


def test_the_larger_agreement_wins_and_failing_agrees_with_nobody() -> None:
    outputs = np.array([[0, 0, 0], [0, 0, 1], [0, 2, 3], [-1, -1, -1]])
    scores = votes(outputs, np.ones(4), NONE)
    assert list(np.argsort(-scores)) == [0, 1, 2, 3] or scores[0] == scores[1]
    assert scores[0] == scores[1] > scores[2] > scores[3]
    assert scores[3] == np.log(0.1)
    # Shares of 3/4, 2/4 and 1/4.
    assert np.isclose(scores[0], np.log([0.85, 0.6, 0.35]).mean())


def test_values_of_one_input_do_not_meet_those_of_another() -> None:
    outputs = np.array([[0, 1], [1, 0], [1, 2], [2, 1]])
    assert np.allclose(
        votes(outputs, np.ones(4), NONE), np.log([0.35, 0.6, 0.6, 0.35]) / 2 + np.log([0.6, 0.35, 0.35, 0.6]) / 2
    )


def test_inputs_on_which_few_return_anything_do_not_count() -> None:
    outputs = np.array([[0, -1], [0, -1], [1, 0], [0, -1]])
    assert np.allclose(votes(outputs, np.ones(4), NONE), np.log([0.85, 0.85, 0.35, 0.85]))
    # Where all are such inputs, those that most return on count.
    few = np.array([[-1, -1], [-1, -1], [0, -1], [-1, -1]])
    assert votes(few, np.ones(4), NONE).argmax() == 2


def test_without_inputs_the_prior_counts() -> None:
    prior = np.array([-2.0, 0.0, -1.0, 0.0])
    assert votes(np.empty((4, 0), np.int64), np.ones(4), prior).tolist() == prior.tolist()


def test_those_that_an_example_refutes_hardly_vote() -> None:
    copies, held = np.array([1, 2, 3, 1]), np.array([1.0, 0.5, 0.5, 1.0])
    found = weights(copies, np.array([0.0, 0.0, 0.0, -2.0]), held)
    assert np.allclose(found, [1, 0.04, 0.06, np.exp(-2)])
    assert np.allclose(weights(copies, NONE, NONE), copies)
