using Distributed.Coordinator.Observers;
using Distributed.Coordinator.Runs;
using Distributed.Core.Scores;
using Spectre.Console;

namespace Distributed.Coordinator.Tests.Progress;

public sealed class ProgressTests : IDisposable
{
    private static readonly TrainingProgress _training = new()
    {
        Phase = "training",
        Epoch = 2,
        Epochs = 5,
        Step = 120,
        Steps = 480,
        Loss = 0.43215,
        SamplesPerSecond = 12345,
        TimeLeft = new TimeSpan(1, 2, 3),
        Workers = [new("worker-1", "cpu", "computing", 0.5, 0.25, 0.1, 0.05, 4), new("[w2]", "cuda:0", "waiting", 0, 0, 1, 0, 12)],
    };

    private static readonly Gen<(int Width, long Steps, double[] Shares, int Workers, bool Unicode)> _anyProgress =
        Gen.Select(Gen.Int[1, 200], Gen.Long[0, 10], Gen.Double.Array[4], Gen.Int[0, 20], Gen.Bool);

    private readonly StringWriter _output = new() { NewLine = "\n" };
    private readonly ManualTime _time = new();

    public void Dispose() => _output.Dispose();

    [Fact]
    public void A_plain_line_has_the_whole_progress()
    {
        using var view = new PlainProgress(_output, _time);
        view.Update(_training with { TestMetric = new(Metric.Accuracy, 0.975) });
        Assert.Equal(
            "training  epoch 2/5  step 120/480  loss 0.4322  test accuracy 97.50 %  12,345 samples/s  1:02:03 left  2 workers\n",
            _output.ToString());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_message_can_neither_forge_a_line_nor_control_the_terminal(bool isTerminal)
    {
        const string Forged = "worker-1 failed: \u001b[2K\u001b]0;title\a\r\nFORGED: Test accuracy 100.00 %\u009b31m\u2028";
        var console = AnsiConsole.Create(
            new() { Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors, Out = new AnsiConsoleOutput(_output) });
        console.Profile.Width = 200;
        using (IProgressView view = isTerminal ? new TerminalProgress(console) : new PlainProgress(_output, _time)) view.Message(Forged);
        var line = Assert.Single(_output.ToString().Split('\n'), written => written.Contains("FORGED", StringComparison.Ordinal));
        Assert.Equal("worker-1 failed: ?[2K?]0;title?  FORGED: Test accuracy 100.00 %?31m", line.TrimEnd());
    }

    [Fact]
    public void Plain_lines_come_at_most_every_three_seconds() =>
        Gen.Int[1, 4000].Array[1, 200].Sample(milliseconds =>
        {
            using var output = new StringWriter { NewLine = "\n" };
            var time = new ManualTime();
            using var view = new PlainProgress(output, time);
            for (var i = 0; i < milliseconds.Length; i++)
            {
                time.Advance(TimeSpan.FromMilliseconds(milliseconds[i]));
                view.Update(_training with { Step = i });
            }
            var lines = output.ToString().Count(c => c == '\n');
            Assert.InRange(lines, 1, 1 + milliseconds.Skip(1).Sum() / PlainProgress.Interval.TotalMilliseconds);
        });

    [Fact]
    public void A_new_phase_or_evaluation_is_written_at_once_and_only_once()
    {
        using var view = new PlainProgress(_output, _time);
        view.Update(_training);
        view.Update(_training with { Step = 121 });
        view.Update(_training with { Phase = "evaluating" });
        view.Update(_training with { Phase = "evaluating", TestMetric = new(Metric.Accuracy, 0.9) });
        _time.Advance(TimeSpan.FromMinutes(1));
        view.Update(_training with { Phase = "evaluating", TestMetric = new(Metric.Accuracy, 0.9) });
        view.Message("worker-3 joined");
        Assert.Equal(
            ["training", "evaluating", "evaluating", "worker-3 joined", ""],
            _output.ToString().Split('\n').Select(line => line.Split("  ")[0]));
    }

    [Theory]
    [InlineData(0, "0:00 left")]
    [InlineData(61, "1:01 left")]
    [InlineData(100 * 3600 + 59, "100:00:59 left")]
    public void The_time_left_is_written_in_full(int seconds, string text)
    {
        using var view = new PlainProgress(_output, _time);
        view.Update(_training with { TimeLeft = TimeSpan.FromSeconds(seconds) });
        Assert.Contains(text, _output.ToString());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_terminal_shows_the_numbers_and_every_worker(bool unicode)
    {
        using (var view = new TerminalProgress(Console(unicode: unicode)))
            view.Update(_training with { TestMetric = new(Metric.Accuracy, 0.975) });
        var text = Plain();
        string[] parts = ["training", "epoch 2/5", "step 120/480", "25 %", "0.4322", "97.50 %", "12,345 samples/s", "1:02:03"];
        foreach (var part in parts)
            Assert.Contains(part, text);
        Assert.Contains(text.Split('\n'),
            l => l.Contains("worker-1") && l.Contains("computing")
            && l.Contains(unicode ? "██████████████████░░" : "ccccccccccssssswwa.."));
        Assert.Contains(text.Split('\n'), l => l.Contains("[w2]") && l.Contains("cuda:0") && l.Contains("12"));
    }

    [Fact]
    public void A_terminal_shows_messages_above_the_display()
    {
        using (var view = new TerminalProgress(Console()))
        {
            view.Update(_training);
            view.Message("epoch 1 [evaluated]");
            view.Update(_training with { Step = 240 });
        }
        var text = Plain();
        Assert.Contains("epoch 1 [evaluated]", text);
        Assert.Contains("step 240/480", text[text.IndexOf("[evaluated]", StringComparison.Ordinal)..]);
    }

    [Fact]
    public void Any_progress_fits_any_terminal() =>
        _anyProgress.Sample((width, steps, s, count, unicode) =>
        {
            using var output = new StringWriter();
            using var view = new TerminalProgress(Console(output, width, unicode));
            view.Update(_training with
            {
                Step = 5,
                Steps = steps,
                Loss = s[0],
                Workers = [.. Enumerable.Repeat(new WorkerProgress("w", "cpu", "", s[0], s[1], s[2], s[3], 1), count)],
            });
        });

    [Fact]
    public void A_terminal_can_be_used_again_after_a_view_is_disposed()
    {
        var console = Console();
        new TerminalProgress(console).Dispose();
        using var view = new TerminalProgress(console);
        view.Update(_training);
        view.Dispose();
        view.Update(_training with { Phase = "late" });
        view.Message("after");
        Assert.DoesNotContain("late", Plain());
        Assert.Contains("after", Plain());
    }

    [Fact]
    public void An_output_other_than_a_terminal_gets_plain_lines()
    {
        using var view = ProgressView.Create(Console());
        Assert.IsType<PlainProgress>(view);
        view.Message("hello");
        Assert.Equal("hello\n", _output.ToString());
    }

    private IAnsiConsole Console(bool unicode = true) => Console(_output, 100, unicode);

    private static IAnsiConsole Console(StringWriter output, int width, bool unicode)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = ColorSystemSupport.TrueColor,
            Interactive = InteractionSupport.Yes,
            Out = new AnsiConsoleOutput(output),
        });
        console.Profile.Width = width;
        console.Profile.Height = 40;
        console.Profile.Capabilities.Unicode = unicode;
        return console;
    }

    private string Plain() => System.Text.RegularExpressions.Regex.Replace(_output.ToString(), @"\x1b\[[0-9;?]*[a-zA-Z]", "");
}
