using Distributed.Coordinator.Runs;

namespace Distributed.Coordinator.Tests.Runs;

public sealed class CsvTailTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("", null)]
    [InlineData("head", null)]
    [InlineData("head\n", "head")]
    [InlineData("head\n1,2\n", "1,2")]
    [InlineData("head\n1,2\n3,", "1,2")]
    public void The_last_complete_line_is_returned(string text, string? line)
    {
        File.WriteAllText(_folder["log.csv"], text);
        Assert.Equal(line, CsvTail.LastLine(_folder["log.csv"]));
        File.WriteAllText(_folder["log.csv"], string.Concat(Enumerable.Repeat("a line before\n", 1000)) + text);
        Assert.Equal(line ?? "a line before", CsvTail.LastLine(_folder["log.csv"]));
    }
}
