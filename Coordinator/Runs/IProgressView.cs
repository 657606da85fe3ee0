namespace Distributed.Coordinator.Runs;

/// <summary>Shows the user how a training goes. Calls may come from any thread; none waits for the user.</summary>
internal interface IProgressView : IDisposable
{
    /// <summary>Shows <paramref name="p"/> in place of what was shown before. Meant to be called several times a second.</summary>
    void Update(TrainingProgress p);

    /// <summary>Leaves a line that stays: a worker joined, an epoch was evaluated. Shown as <see cref="Jobs.Shown"/> has it.</summary>
    void Message(string line);
}
