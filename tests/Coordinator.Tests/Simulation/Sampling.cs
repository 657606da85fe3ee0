namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>Which simulations a run of the tests has.</summary>
internal static class Sampling
{
    private const string Seed = "8wEc6pqy746f";

    public static bool IsThorough { get; } = Environment.GetEnvironmentVariable("DISTRIBUTED_TESTS") == "thorough";

    /// <summary>How many are simulated: as many as it takes to believe it where DISTRIBUTED_TESTS is "thorough".</summary>
    public static int Of(int usual) => IsThorough ? 20 * usual : usual;

    /// <summary>
    /// Simulates the same clusters in every run, so that a failure tells of a change and not of chance; other ones each time, and more of them,
    /// where DISTRIBUTED_TESTS is "thorough".
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
