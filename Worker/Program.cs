using Distributed.Shared.Processes;
using Distributed.Worker;

return await CommandLine.RunAsync(WorkerCommands.Create(), args);
