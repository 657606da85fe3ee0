using System.ComponentModel;
using System.Diagnostics;

namespace Distributed.Kubernetes.Tests;

/// <summary>A program of the operating system.</summary>
internal static class Tool
{
    private static readonly TimeSpan _timeout = TimeSpan.FromSeconds(60);

    /// <summary>Runs the program, which must succeed, and returns its output. Skips the test if the program is missing.</summary>
    public static async Task<string> RunAsync(string program, params string[] arguments)
    {
        Process process;
        try
        {
            var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
            process = Process.Start(start)!;
        }
        catch (Win32Exception)
        {
            Assert.Skip($"There is no {program}: .ci/run tells where it comes from.");
            throw;
        }
        using (process)
        {
            var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
            await process.WaitForExitAsync().WaitAsync(_timeout);
            if (process.ExitCode != 0)
                Assert.Fail($"Exit code {process.ExitCode} of {program} {string.Join(' ', arguments)}:\n{await output}\n{await errors}");
            return await output;
        }
    }
}
