namespace Distributed.EndToEnd.Tests.Processes;

/// <summary>Certificates made by certs init.</summary>
internal static class Certificates
{
    /// <summary>Makes certificates for localhost and the names in the options.</summary>
    /// <returns>The folder for --certs.</returns>
    public static async Task<string> MakeAsync(TemporaryFolder folder, params string[] options)
    {
        using var init = ProgramRun.Start(BuiltFiles.Coordinator, ["certs", "init", folder["certs"], .. options]);
        await init.EndsWithAsync(0);
        return folder["certs"];
    }
}
