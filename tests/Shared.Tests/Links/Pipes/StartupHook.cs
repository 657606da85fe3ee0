using Distributed.Shared.Tests.Links.Pipes;

/// <summary>What the runtime calls before Main where DOTNET_STARTUP_HOOKS names this assembly.</summary>
internal static class StartupHook
{
    public static void Initialize() => PeerProcess.RunIfWanted();
}
