using System.Diagnostics;

namespace Distributed.EndToEnd.Tests.Processes;

/// <summary>The system's Python with PyTorch, where there is one.</summary>
internal static class Python
{
    private const string Program = "/usr/bin/python3";

    private static readonly Lazy<Task<bool>> _hasTorch = new(async () =>
        File.Exists(Program) && (await StartAsync("import torch", Path.GetTempPath())).ExitCode == 0);

    /// <summary>Skips a test that needs it.</summary>
    public static async Task RequireTorchAsync() =>
        Assert.SkipUnless(await _hasTorch.Value, $"{Program} has no torch: install the Debian package python3-torch.");

    /// <summary>Runs a script to its end, which must be a good one.</summary>
    /// <param name="script">Its text.</param>
    /// <param name="folder">Where it runs.</param>
    /// <returns>What it has printed.</returns>
    public static async Task<string> RunAsync(string script, string folder)
    {
        var (exitCode, output, errors) = await StartAsync(script, folder);
        if (exitCode != 0) Assert.Fail($"Exit code {exitCode} of\n{script}\n{errors}");
        return output;
    }

    private static async Task<(int ExitCode, string Output, string Errors)> StartAsync(string script, string folder)
    {
        // Isolated (-I): what a developer has installed for themselves is not what is tested.
        using var process = Process.Start(new ProcessStartInfo(Program, ["-I", "-c", script])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        try
        {
            var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
            await process.WaitForExitAsync().WaitAsync(ProgramRun.Patience);
            return (process.ExitCode, await output, await errors);
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
    }
}
