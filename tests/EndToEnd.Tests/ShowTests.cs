using System.Net;
using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests;

[Collection(Trained.Name)]
public sealed partial class ShowTests(TrainedModels models) : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly HttpClient _client = new() { Timeout = ProgramRun.Patience };

    public void Dispose()
    {
        _client.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(Signal.Interrupt)]
    [InlineData(Signal.Terminate)]
    public async Task A_finished_run_is_shown_from_its_files_until_it_is_told_to_stop(Signal signal)
    {
        var run = await models.RunAsync("cnn");
        using var show = ProgramRun.Start(BuiltFiles.Coordinator, ["show", "--run", run.Folder]);
        var address = (await show.LineAsync(ShownAt())).Groups[1].Value;
        Assert.Contains("<title>", await _client.GetStringAsync(address), StringComparison.Ordinal);
        // It ends with what there is.
        var events = await _client.GetStringAsync($"{address}events");
        Assert.Contains("\"outcome\":\"finished\"", events, StringComparison.Ordinal);
        Assert.Contains($"\"last_step\":{run.Report.Steps}", events, StringComparison.Ordinal);
        Assert.EndsWith("event: end\ndata: {}\n\n", events, StringComparison.Ordinal);
        Assert.Equal(run.Model, await _client.GetByteArrayAsync($"{address}files/model.safetensors"));
        show.Self.Send(signal);
        await show.EndsWithAsync(0);
        Assert.Empty(show.Errors);
    }

    [Fact]
    public async Task What_holds_no_run_is_named()
    {
        using var show = ProgramRun.Start(BuiltFiles.Coordinator, ["show", "--run", _folder.Path]);
        await show.EndsWithAsync(2);
        Assert.Equal([$"error: '{_folder["job.yaml"]}' does not exist: '{_folder.Path}' is no folder of a run. Give one with --run."], show.Errors);
    }

    [Fact]
    public async Task A_port_in_use_is_named()
    {
        var run = await models.RunAsync("cnn");
        using var taken = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        using var show = ProgramRun.Start(BuiltFiles.Coordinator, ["show", "--run", run.Folder, "--port", $"{port}"]);
        await show.EndsWithAsync(1);
        Assert.StartsWith($"error: The status server cannot listen on 127.0.0.1, port {port}: ", Assert.Single(show.Errors), StringComparison.Ordinal);
    }

    [GeneratedRegex(@"^Showing \S+ at (http://\S+/) until Ctrl-C\.$")]
    private static partial Regex ShownAt();
}
