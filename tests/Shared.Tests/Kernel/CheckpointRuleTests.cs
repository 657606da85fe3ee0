using Distributed.Core.Planning;

namespace Distributed.Shared.Tests.Kernel;

public sealed class CheckpointRuleTests
{
    private static readonly Gen<Rounds> _anyJob = Gen.Select(Gen.Int[1, 40], Gen.Int[0, 5], Gen.Int[1, 6], Gen.Int[1, 40])
        .Select((train, test, epochs, batch) => new Rounds(train, test, epochs, batch, 1));

    [Fact]
    public void A_checkpoint_is_due_once_per_interval_and_never_at_the_end() =>
        Gen.Select(_anyJob, Gen.Int[1, 20]).Sample((rounds, every) =>
        {
            var due = AllOf(rounds).Where(round => CheckpointRule.IsDue(rounds, every, round)).ToList();
            var steps = due.Select(round => round.Kind == RoundKind.Train ? round.Step + 1 : round.Step).ToList();
            var expected = Enumerable.Range(1, (int)rounds.Steps).Select(step => (long)step).Where(step => step % every == 0);
            Assert.Equal(expected.Where(step => step < rounds.Steps), steps.Where(step => step < rounds.Steps));
            Assert.DoesNotContain(due, round => round.Number + 1 == rounds.Count);
            // An evaluation that follows comes first.
            Assert.All(
                due.Where(round => round.Kind == RoundKind.Train),
                round => Assert.Equal(RoundKind.Train, rounds.At(round.Number + 1).Kind));
        });

    [Fact]
    public void No_checkpoint_is_due_without_an_interval() => _anyJob.Sample(rounds =>
    {
        foreach (var round in AllOf(rounds))
        {
            Assert.False(CheckpointRule.IsDue(rounds, 0, round));
            Assert.False(CheckpointRule.IsBest(rounds, 0, round, 1, double.NaN));
        }
    });

    [Theory]
    [InlineData(0.9, double.NaN, true)]
    [InlineData(0.9, 0.8, true)]
    [InlineData(0.9, 0.9, false)]
    [InlineData(0.7, 0.8, false)]
    [InlineData(double.NaN, double.NaN, false)]
    public void The_best_evaluation_beats_all_before_it(double metric, double best, bool isBest)
    {
        var rounds = new Rounds(8, 2, 3, 4, 1);
        Assert.Equal(isBest, CheckpointRule.IsBest(rounds, 5, rounds.At(2), metric, best));
        Assert.False(CheckpointRule.IsBest(rounds, 5, rounds.At(1), metric, best));
        Assert.False(CheckpointRule.IsBest(rounds, 5, rounds.At(8), metric, best));
    }

    private static IEnumerable<Round> AllOf(Rounds rounds)
    {
        for (var number = 0L; number < rounds.Count; number++) yield return rounds.At(number);
    }
}
