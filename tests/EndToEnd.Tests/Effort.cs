namespace Distributed.EndToEnd.Tests;

/// <summary>
/// How often what happens at random is let happen: a few times in every test run, and as often as it takes to believe it where
/// DISTRIBUTED_TESTS is "thorough".
/// </summary>
internal static class Effort
{
    private static readonly bool _isThorough = Environment.GetEnvironmentVariable("DISTRIBUTED_TESTS") == "thorough";

    public static int Of(int usual, int thorough) => _isThorough ? thorough : usual;
}
