"""Where a batch stands in its optimizer step."""

from vae_lab.place import Place


def places(batches: int, accumulate: int, epoch: int = 0) -> list[Place]:
    return [Place(epoch, place, batches, accumulate) for place in range(batches)]


def test_every_batch_is_a_step_without_accumulation():
    assert all(at.opens and at.closes and at.together == 1 for at in places(3, 1))
    assert [at.count for at in places(3, 1, epoch=2)] == [6.0, 7.0, 8.0]


def test_the_last_batches_of_an_epoch_may_be_fewer():
    seven = places(7, 3)
    assert [at.opens for at in seven] == [True, False, False, True, False, False, True]
    assert [at.closes for at in seven] == [False, False, True, False, False, True, True]
    assert [at.together for at in seven] == [3, 3, 3, 3, 3, 3, 1]


def test_time_runs_on_over_epochs():
    at = Place(epoch=2, place=1, batches=4, accumulate=2)
    assert (at.position, at.count, at.epochs) == (9, 4.0, 2.25)


def test_points_of_the_curves_come_every_so_many_steps():
    assert [at.position for epoch in (0, 1) for at in places(5, 1, epoch) if at.is_point(4)] == [3, 7]
    assert [at.position for epoch in (0, 1) for at in places(6, 2, epoch) if at.is_point(2)] == [3, 7, 11]
