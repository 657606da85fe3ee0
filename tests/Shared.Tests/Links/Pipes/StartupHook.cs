using Distributed.Shared.Tests.Links.Pipes;

/// <summary>Called by the runtime before Main if DOTNET_STARTUP_HOOKS names this assembly.</summary>
internal static class StartupHook
{
    public static void Initialize() => PeerProcess.RunIfWanted();
}
