using System.Net;
using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests;

[Collection(Trained.Name)]
public sealed partial class ShowTests(TrainedModels models) : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly HttpClient _client = new() { Timeout = ProgramRun.Timeout };

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
        // The last message follows the present state.
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
    public async Task Beyond_loopback_a_run_is_shown_only_with_the_printed_token()
    {
        var run = await models.RunAsync("cnn");
        using var show = ProgramRun.Start(BuiltFiles.Coordinator, ["show", "--run", run.Folder, "--host", "0.0.0.0"]);
        var printed = (await show.LineAsync(ShownWithToken())).Groups;
        Assert.Equal(Environment.MachineName, printed["host"].Value, ignoreCase: true);
        var address = $"http://127.0.0.1:{printed["port"].Value}/";
        foreach (var path in (string[])["", "events", "files/model.safetensors", "metrics", $"?token={new string('0', 32)}"])
        {
            using var refused = await _client.GetAsync($"{address}{path}");
            Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        }
        // As a browser opens the printed address: it is redirected, and gets a cookie.
        Assert.Contains("<title>", await _client.GetStringAsync($"{address}?token={printed["token"].Value}"), StringComparison.Ordinal);
        Assert.Equal(run.Model, await _client.GetByteArrayAsync($"{address}files/model.safetensors"));
        using var rebound = new HttpRequestMessage(HttpMethod.Get, address) { Headers = { Host = "attacker.example" } };
        using var misdirected = await _client.SendAsync(rebound);
        Assert.Equal(HttpStatusCode.MisdirectedRequest, misdirected.StatusCode);
        show.Self.Send(Signal.Terminate);
        await show.EndsWithAsync(0);
    }

    [Fact]
    public async Task A_folder_without_a_run_is_named()
    {
        using var show = ProgramRun.Start(BuiltFiles.Coordinator, ["show", "--run", _folder.Path]);
        await show.EndsWithAsync(2);
        Assert.Equal([$"error: '{_folder["job.yaml"]}' does not exist: '{_folder.Path}' is not a run folder. Give one with --run."],
            show.Errors);
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
        Assert.StartsWith($"error: The status server cannot listen on 127.0.0.1, port {port}: ", Assert.Single(show.Errors),
            StringComparison.Ordinal);
    }

    [GeneratedRegex(@"^Showing \S+ at http://(?<host>[^:]+):(?<port>\d+)/\?token=(?<token>[0-9a-f]{32}) until Ctrl-C\.$")]
    private static partial Regex ShownWithToken();

    [GeneratedRegex(@"^Showing \S+ at (http://\S+/) until Ctrl-C\.$")]
    private static partial Regex ShownAt();
}
