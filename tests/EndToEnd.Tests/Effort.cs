namespace Distributed.EndToEnd.Tests;

/// <summary>
/// How often what happens at random is let happen: a few times in every test run, and as often as it takes to believe it where
/// DISTRIBUTED_TESTS is "thorough".
/// </summary>
internal static class Effort
{
    public static bool IsThorough { get; } = Environment.GetEnvironmentVariable("DISTRIBUTED_TESTS") == "thorough";

    public static int Of(int usual, int thorough) => IsThorough ? thorough : usual;
}
