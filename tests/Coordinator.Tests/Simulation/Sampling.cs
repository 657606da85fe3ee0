namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>Which simulations a run of the tests has.</summary>
internal static class Sampling
{
    private const string Seed = "8wEc6pqy746f";

    public static bool IsThorough { get; } = Environment.GetEnvironmentVariable("DISTRIBUTED_TESTS") == "thorough";

    /// <summary>How many clusters to simulate: 20 times as many where DISTRIBUTED_TESTS is "thorough".</summary>
    public static int Of(int usual) => IsThorough ? 20 * usual : usual;

    /// <summary>
    /// Simulates the same clusters in every run, so that a failure is due to a change and not to chance. Where DISTRIBUTED_TESTS is
    /// "thorough", it simulates more clusters, and other ones each time.
    /// </summary>
    public static void Every<T>(this Gen<T> gen, Action<T> simulate, int usual)
    {
        if (IsThorough)
        {
            gen.Sample(simulate, iter: Of(usual));
            return;
        }
        Parallel.ForEach(gen.Array[usual].Single(_ => true, Seed), drawn =>
        {
            if (Record.Exception(() => simulate(drawn)) is { } error) Assert.Fail($"{drawn}: {error}");
        });
    }
}
