using System.Runtime.InteropServices;

namespace Distributed.Coordinator.Chaos;

/// <summary>Signals to processes, as Linux and macOS have them.</summary>
internal static class ProcessSignal
{
    private const int SigKill = 9;
    private const int SigTerm = 15;

    public static bool IsSupported => OperatingSystem.IsLinux() || OperatingSystem.IsMacOS();

    private static int SigStop => OperatingSystem.IsMacOS() ? 17 : 19;

    private static int SigContinue => OperatingSystem.IsMacOS() ? 19 : 18;

    /// <summary>Ends a process without asking it.</summary>
    /// <returns>As for the others: false when the process is gone.</returns>
    public static bool Kill(int process) => Send(process, SigKill) == 0;

    public static bool Terminate(int process) => Send(process, SigTerm) == 0;

    public static bool Stop(int process) => Send(process, SigStop) == 0;

    /// <summary>Lets a process that stands still go on.</summary>
    public static bool Continue(int process) => Send(process, SigContinue) == 0;

    [DllImport("libc", EntryPoint = "kill"), DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Send(int process, int signal);
}
