using System.Diagnostics;

namespace Distributed.EndToEnd.Tests.Processes;

/// <summary>The system's Python with PyTorch.</summary>
internal static class Python
{
    private const string Program = "/usr/bin/python3";

    private static readonly Lazy<Task<bool>> _hasTorch = new(async () =>
        File.Exists(Program) && (await StartAsync("import torch", Path.GetTempPath())).ExitCode == 0);

    /// <summary>Skips the test if PyTorch is missing.</summary>
    public static async Task RequireTorchAsync() =>
        Assert.SkipUnless(await _hasTorch.Value, $"{Program} has no torch: install the Debian package python3-torch.");

    /// <summary>Runs a script, which must succeed.</summary>
    /// <param name="script">Its text.</param>
    /// <param name="folder">Where it runs.</param>
    /// <returns>Its standard output.</returns>
    public static async Task<string> RunAsync(string script, string folder)
    {
        var (exitCode, output, errors) = await StartAsync(script, folder);
        if (exitCode != 0) Assert.Fail($"Exit code {exitCode} of\n{script}\n{errors}");
        return output;
    }

    private static async Task<(int ExitCode, string Output, string Errors)> StartAsync(string script, string folder)
    {
        // Isolated (-I): a developer's own packages must not influence the tests.
        using var process = Process.Start(new ProcessStartInfo(Program, ["-I", "-c", script])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        try
        {
            var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
            await process.WaitForExitAsync().WaitAsync(ProgramRun.Timeout);
            return (process.ExitCode, await output, await errors);
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
    }
}
