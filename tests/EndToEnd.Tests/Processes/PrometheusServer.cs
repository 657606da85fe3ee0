using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Distributed.EndToEnd.Tests.Processes;

/// <summary>The system's Prometheus, as a process with a folder of its own.</summary>
internal sealed partial class PrometheusServer : IDisposable
{
    private const string Program = "/usr/bin/prometheus", Tool = "/usr/bin/promtool";

    private readonly TemporaryFolder _folder = new();
    private readonly Process _process;
    private readonly HttpClient _client = new() { Timeout = ProgramRun.Timeout };
    private readonly TaskCompletionSource<string> _address = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly DateTimeOffset _startedAt = DateTimeOffset.UtcNow;

    private PrometheusServer(string configuration)
    {
        File.WriteAllText(_folder["prometheus.yml"], configuration);
        string[] arguments =
        [
            $"--config.file={_folder["prometheus.yml"]}", $"--storage.tsdb.path={_folder["data"]}",
            "--web.listen-address=127.0.0.1:0", "--log.level=info",
        ];
        _process = Process.Start(new ProcessStartInfo(Program, arguments) { RedirectStandardError = true })!;
        _ = ReadAsync();
    }

    /// <summary>Skips a test that needs Prometheus.</summary>
    public static void Require() =>
        Assert.SkipUnless(File.Exists(Program) && File.Exists(Tool),
            $"There is no {Program} or {Tool}: install the Debian package prometheus.");

    /// <summary>Starts it.</summary>
    /// <param name="configuration">Its configuration file.</param>
    public static async Task<PrometheusServer> StartAsync(string configuration)
    {
        var prometheus = new PrometheusServer(configuration);
        try
        {
            prometheus._client.BaseAddress = new($"http://{await prometheus._address.Task.WaitAsync(ProgramRun.Timeout)}/");
            return prometheus;
        }
        catch
        {
            prometheus.Dispose();
            throw;
        }
    }

    /// <summary>Runs promtool, which must succeed.</summary>
    /// <param name="folder">Where it runs.</param>
    /// <param name="input">What it reads.</param>
    /// <param name="arguments">Its command line.</param>
    public static async Task CheckAsync(string folder, string input, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(Tool, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        try
        {
            var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
            await process.WaitForExitAsync().WaitAsync(ProgramRun.Timeout);
            if (process.ExitCode != 0)
                Assert.Fail($"Exit code {process.ExitCode} of promtool {string.Join(' ', arguments)}:\n{await output}\n{await errors}");
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }
    }

    /// <summary>The labels of each series of an expression since the start. Fails if Prometheus rejects the expression.</summary>
    public async Task<IReadOnlyList<JsonNode>> SeriesAsync(string expression)
    {
        var (start, end) = (_startedAt.ToUnixTimeSeconds(), DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 1);
        var answer = await GetAsync(string.Create(
            CultureInfo.InvariantCulture,
            $"api/v1/query_range?query={Uri.EscapeDataString(expression)}&start={start}&end={end}&step=1"));
        return [.. answer["result"]!.AsArray().Select(series => series!["metric"]!)];
    }

    /// <summary>The evaluated alerting rules.</summary>
    public async Task<IReadOnlyList<(string Name, string Expression, string Health)>> RulesAsync() =>
    [
        .. from @group in (await GetAsync("api/v1/rules"))["groups"]!.AsArray()
           from rule in @group!["rules"]!.AsArray()
           select ((string)rule!["name"]!, (string)rule["query"]!, (string)rule["health"]!),
    ];

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        _client.Dispose();
        _folder.Dispose();
    }

    private async Task<JsonNode> GetAsync(string path)
    {
        using var answer = await _client.GetAsync(new Uri(path, UriKind.Relative));
        var body = await answer.Content.ReadAsStringAsync();
        if (!answer.IsSuccessStatusCode) Assert.Fail($"{Uri.UnescapeDataString(path)}: {body}");
        return JsonNode.Parse(body)!["data"]!;
    }

    /// <summary>Reads all output, which must not fill the pipe, and finds the address in it.</summary>
    private async Task ReadAsync()
    {
        var lines = new List<string>();
        while (await _process.StandardError.ReadLineAsync() is { } line)
        {
            lines.Add(line);
            if (ListensAt().Match(line) is { Success: true } match) _address.TrySetResult(match.Groups[1].Value);
        }
        _address.TrySetException(new InvalidOperationException($"{Program} has ended: {string.Join('\n', lines)}"));
    }

    [GeneratedRegex(@"msg=""Listening on"" address=(\S+)")]
    private static partial Regex ListensAt();
}
