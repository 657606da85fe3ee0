using System.ComponentModel;
using System.Diagnostics;

namespace Distributed.Kubernetes.Tests;

/// <summary>A program of the system's.</summary>
internal static class Tool
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(60);

    /// <summary>Runs it to its end, which must be a good one; the test is skipped where there is no such program.</summary>
    /// <returns>What it wrote.</returns>
    public static async Task<string> RunAsync(string program, params string[] arguments)
    {
        Process process;
        try
        {
            process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        }
        catch (Win32Exception)
        {
            Assert.Skip($"There is no {program}: .ci/run tells where it comes from.");
            throw;
        }
        using (process)
        {
            var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
            await process.WaitForExitAsync().WaitAsync(_patience);
            if (process.ExitCode != 0) Assert.Fail($"Exit code {process.ExitCode} of {program} {string.Join(' ', arguments)}:\n{await output}\n{await errors}");
            return await output;
        }
    }
}
