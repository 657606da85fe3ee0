using Distributed.Coordinator.Runs;
using Microsoft.Extensions.Logging;

namespace Distributed.Coordinator.Tests.Runs;

public sealed class FileLogTests
{
    [Fact]
    public void Every_line_is_in_the_file_whichever_thread_wrote_it()
    {
        using var folder = new TemporaryFolder();
        using (var log = new FileLog(folder["run.log"]))
        {
            Parallel.For(0, 8, writer =>
            {
                var logger = log.CreateLogger($"category-{writer}");
                for (var i = 0; i < 50; i++) logger.LogInformation("line {Writer}/{Number}.", writer, i);
            });
            using var open = new StreamReader(new FileStream(folder["run.log"], FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
            Assert.Equal(400, open.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        }
        var lines = File.ReadAllLines(folder["run.log"]);
        for (var writer = 0; writer < 8; writer++)
        {
            var ending = $"Information category-{writer}: line {writer}/";
            Assert.Equal(Enumerable.Range(0, 50).Select(i => $"{ending}{i}."),
                lines.Where(l => l.Contains(ending, StringComparison.Ordinal)).Select(l => l[13..]));
        }
    }

    [Fact]
    public void Details_are_left_out_and_errors_come_with_their_cause()
    {
        using var folder = new TemporaryFolder();
        using (var log = new FileLog(folder["run.log"]))
        {
            var logger = log.CreateLogger("category");
            logger.LogDebug("detail");
            logger.LogError(new InvalidOperationException("the cause"), "the error");
        }
        Assert.Matches(@"^\d\d:\d\d:\d\d\.\d{3} Error category: the error System\.InvalidOperationException: the cause",
            File.ReadAllText(folder["run.log"]));
    }

    [Fact]
    public void An_existing_log_grows()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["run.log"], "before\n");
        using (var log = new FileLog(folder["run.log"])) log.CreateLogger("category").LogWarning("after");
        Assert.StartsWith("before\n", File.ReadAllText(folder["run.log"]), StringComparison.Ordinal);
        Assert.EndsWith("Warning category: after\n", File.ReadAllText(folder["run.log"]), StringComparison.Ordinal);
    }
}
