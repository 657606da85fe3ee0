using Distributed.Coordinator.Chaos;
using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;

namespace Distributed.Coordinator.Tests.Chaos;

public sealed class ChaosProgressTests : IDisposable
{
    private const string Header = "step,epoch,loss,learning_rate,gradient_norm,samples_per_second\n";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("", 0)]
    [InlineData("step,epo", 0)]
    [InlineData(Header, 0)]
    [InlineData($"{Header}1,1,0.5,", 0)]
    [InlineData($"{Header}1,1,0.5,0.1,1,100\n", 1)]
    [InlineData($"{Header}1,1,0.5,0.1,1,100\n2,1,0", 1)]
    [InlineData($"{Header}9,1,0.5,0.1,1,100\n10,1,0.5,0.1,1,100\n", 10)]
    public async Task The_step_of_a_run_is_that_of_the_last_complete_line_of_its_history(string history, long step)
    {
        await File.WriteAllTextAsync(_folder["history.csv"], history);
        Assert.Equal(step, HistoryTail.LastStep(_folder.Path));
    }

    [Fact]
    public void Without_a_history_the_step_is_0() => Assert.Equal(0, HistoryTail.LastStep(_folder.Path));

    [Fact]
    public void A_history_can_be_read_while_it_is_written()
    {
        using var history = new LineLog(LocalDisk.Instance, _folder["history.csv"], HistoryRow.Header, isNeeded: true);
        for (var step = 1; step <= 200; step++)
        {
            history.Add(new HistoryRow
            {
                Step = step,
                Epoch = 1,
                Loss = Math.PI,
                LearningRate = Math.E,
                GradientNorm = 1 / 3.0,
                SamplesPerSecond = 1e9 / 7,
            }.ToLine());
            history.Flush();
            Assert.Equal(step, HistoryTail.LastStep(_folder.Path));
        }
    }

    [Fact]
    public void A_run_is_stalled_when_its_step_has_not_changed_for_the_timeout()
    {
        var time = new ManualTime();
        var guard = new StallGuard(time);
        time.Advance(StallGuard.Timeout - TimeSpan.FromTicks(1));
        Assert.False(guard.IsStalledAt(0));
        Assert.False(guard.IsStalledAt(1));
        time.Advance(StallGuard.Timeout - TimeSpan.FromTicks(1));
        Assert.False(guard.IsStalledAt(1));
        time.Advance(TimeSpan.FromTicks(1));
        Assert.True(guard.IsStalledAt(1));
        Assert.False(guard.IsStalledAt(0));
    }

    [Fact]
    public async Task The_result_of_a_run_is_read_from_its_folder()
    {
        await File.WriteAllTextAsync(_folder["model.safetensors"], "abc");
        await File.WriteAllTextAsync(_folder["report.json"], """{ "steps": 345, "generations": 3 }""");
        Assert.Equal(
            new("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", 345, 3, null), ChaosResult.Read(_folder.Path));
        await File.WriteAllTextAsync(_folder["report.json"], """{ "steps": 345, "generations": 3, "steps_redone": 2 }""");
        Assert.Equal(2, ChaosResult.Read(_folder.Path).StepsRedone);
    }
}
