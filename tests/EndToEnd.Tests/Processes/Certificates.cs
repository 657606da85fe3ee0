namespace Distributed.EndToEnd.Tests.Processes;

/// <summary>Certificates as the coordinator's program makes them.</summary>
internal static class Certificates
{
    /// <summary>Makes some for localhost, unless the options say more.</summary>
    /// <returns>The folder for --certs, within the one given.</returns>
    public static async Task<string> MakeAsync(TemporaryFolder folder, params string[] options)
    {
        using var init = ProgramRun.Start(BuiltFiles.Coordinator, ["certs", "init", folder["certs"], .. options]);
        await init.EndsWithAsync(0);
        return folder["certs"];
    }
}
