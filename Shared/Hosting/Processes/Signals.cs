using System.Runtime.InteropServices;

namespace Distributed.Hosting.Processes;

/// <summary>Turns Ctrl-C and SIGTERM into a cancellation.</summary>
internal sealed class Signals : IDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly List<PosixSignalRegistration> _registrations = [];

    /// <param name="onInterrupt">Whether Ctrl-C cancels; otherwise it is ignored.</param>
    public Signals(bool onInterrupt)
    {
        Register(PosixSignal.SIGINT, onInterrupt);
        Register(PosixSignal.SIGTERM, true);
    }

    public CancellationToken Stopping => _stopping.Token;

    public void Dispose()
    {
        foreach (var registration in _registrations) registration.Dispose();
        _stopping.Dispose();
    }

    private void Register(PosixSignal signal, bool cancels) => _registrations.Add(PosixSignalRegistration.Create(signal, context =>
    {
        context.Cancel = true;
        if (cancels) _stopping.Cancel();
    }));
}
