namespace Distributed.EndToEnd.Tests;

/// <summary>
/// How much of the long or random tests runs: a little in every test run, and enough for confidence if DISTRIBUTED_TESTS is "thorough".
/// </summary>
internal static class Effort
{
    public static bool IsThorough { get; } = Environment.GetEnvironmentVariable("DISTRIBUTED_TESTS") == "thorough";

    public static int Of(int usual, int thorough) => IsThorough ? thorough : usual;

    /// <summary>Skips a test, or a case of it, that takes minutes.</summary>
    /// <param name="isLong">Whether this case takes minutes.</param>
    /// <param name="instead">What covers most of it.</param>
    public static void SkipUnlessThorough(bool isLong = true, string instead = "") =>
        Assert.SkipWhen(isLong && !IsThorough, $"Takes minutes: DISTRIBUTED_TESTS=thorough runs it. {instead}".TrimEnd());
}
