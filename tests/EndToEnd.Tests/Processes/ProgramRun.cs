using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Distributed.EndToEnd.Tests.Processes;

/// <summary>A program of the product as a process, and the lines that it writes.</summary>
internal sealed class ProgramRun : IDisposable
{
    /// <summary>The timeout of every wait; no test depends on how long a wait takes.</summary>
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(90);

    private readonly Lock _lock = new();
    private readonly Process _process;
    private readonly HashSet<LinuxProcess> _children = [];
    private readonly List<string> _output = [];
    private readonly List<string> _errors = [];
    private readonly List<(Regex Pattern, TaskCompletionSource<Match> Found)> _awaited = [];
    private readonly Task<int> _ended;

    private ProgramRun(ProcessStartInfo start)
    {
        _process = Process.Start(start)!;
        Self = LinuxProcess.ChildrenOf(Environment.ProcessId).FirstOrDefault(p => p.Id == _process.Id) ?? new(_process.Id, "");
        _ended = RunAsync();
    }

    /// <summary>The program itself, to send it signals.</summary>
    public LinuxProcess Self { get; }

    /// <summary>Lines of standard output so far.</summary>
    public IReadOnlyList<string> Output
    {
        get { lock (_lock) return [.. _output]; }
    }

    /// <summary>Lines of standard error so far.</summary>
    public IReadOnlyList<string> Errors
    {
        get { lock (_lock) return [.. _errors]; }
    }

    /// <summary>Starts a program of this build, or a command of dotnet's.</summary>
    public static ProgramRun Start(
        string program, IEnumerable<string> arguments, params ReadOnlySpan<(string Name, string Value)> environment) =>
        Start([], program, arguments, environment);

    /// <summary>Starts a program of this build through another command that executes it.</summary>
    public static ProgramRun Start(
        IReadOnlyList<string> by, string program, IEnumerable<string> arguments,
        params ReadOnlySpan<(string Name, string Value)> environment)
    {
        var dotnet = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";
        return StartCommand([.. by, dotnet, program, .. arguments], environment);
    }

    /// <summary>Starts a command that executes one of the programs.</summary>
    public static ProgramRun StartCommand(string[] command, params ReadOnlySpan<(string Name, string Value)> environment)
    {
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // A developer's own settings must not influence the tests.
        foreach (var variable in start.Environment.Keys.Where(name => name.StartsWith("DISTRIBUTED_", StringComparison.Ordinal)).ToList())
            start.Environment.Remove(variable);
        foreach (var (name, value) in environment) start.Environment[name] = value;
        return new(start);
    }

    /// <summary>Starts the same command once more.</summary>
    public ProgramRun StartAgain() => new(_process.StartInfo);

    /// <summary>Its running child processes.</summary>
    public IReadOnlyList<LinuxProcess> Children()
    {
        var children = LinuxProcess.ChildrenOf(_process.Id);
        _children.UnionWith(children);
        return children;
    }

    /// <summary>The first line of standard output that matches the pattern; also one written before.</summary>
    public async Task<Match> LineAsync(Regex pattern, TimeSpan? timeout = null)
    {
        TaskCompletionSource<Match> found = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            if (_output.Select(line => pattern.Match(line)).FirstOrDefault(match => match.Success) is { } match) return match;
            _awaited.Add((pattern, found));
        }
        await WaitAsync(Task.WhenAny(found.Task, _ended), $"a line like '{pattern}'", timeout ?? Timeout);
        if (!found.Task.IsCompleted) Assert.Fail($"The program ended without a line like '{pattern}'. {Transcript()}");
        return await found.Task;
    }

    /// <summary>Waits for its end and checks the exit code.</summary>
    public async Task EndsWithAsync(int exitCode, TimeSpan? timeout = null)
    {
        await WaitAsync(_ended, "its end", timeout ?? Timeout);
        var found = await _ended;
        if (found != exitCode) Assert.Fail($"Exit code {found}, expected {exitCode}. {Transcript()}");
    }

    /// <summary>Waits for its end.</summary>
    public Task EndsAsync() => WaitAsync(_ended, "its end", Timeout);

    /// <summary>Leaves no process behind, also after a failed test.</summary>
    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        foreach (var child in _children) child.Send(Signal.Kill);
        _process.Dispose();
    }

    private async Task WaitAsync(Task task, string what, TimeSpan timeout)
    {
        try
        {
            await task.WaitAsync(timeout);
        }
        catch (TimeoutException)
        {
            Assert.Fail($"Waited {timeout.TotalSeconds} s for {what} without success. {Transcript()}");
        }
    }

    private async Task<int> RunAsync()
    {
        await Task.WhenAll(PumpAsync(_process.StandardOutput, _output), PumpAsync(_process.StandardError, _errors));
        await _process.WaitForExitAsync();
        return _process.ExitCode;
    }

    private async Task PumpAsync(StreamReader reader, List<string> lines)
    {
        while (await reader.ReadLineAsync() is { } line)
        {
            lock (_lock)
            {
                lines.Add(line);
                if (lines == _output)
                    _awaited.RemoveAll(awaited => awaited.Pattern.Match(line) is { Success: true } match
                        && awaited.Found.TrySetResult(match));
            }
        }
    }

    private string Transcript() =>
        $"Arguments: {string.Join(' ', _process.StartInfo.ArgumentList.Skip(1))}\nOutput:\n{string.Join('\n', Output)}\n"
        + $"Errors:\n{string.Join('\n', Errors)}\n";
}
